//! Where an object lies. The only place that turns a hash into a path.

use object_store::path::Path;

use crate::Error;

/// Folder of the models.
pub(crate) const MODELS: &str = "models";
/// Folder of the previews.
pub(crate) const PREVIEWS: &str = "previews";
/// Folder of the uploads under way.
pub(crate) const INCOMING: &str = "incoming";
/// Folder of the engine's checkpoints.
pub(crate) const CHECKPOINTS: &str = "checkpoints";
/// The longest name of a checkpoint.
const NAME_BYTES: usize = 200;

/// Of a model. The folders are flat: they exist before the first upload, so that no upload depends
/// on the durability of a folder that another one is just creating.
pub(crate) fn model(sha256: &str) -> Result<Path, Error> {
    Ok(Path::from_iter([MODELS, checked(sha256)?]))
}

/// Of a model's picture.
pub(crate) fn preview(model_sha256: &str) -> Result<Path, Error> {
    Ok(Path::from_iter([PREVIEWS, &format!("{}.png", checked(model_sha256)?)]))
}

/// Of an upload whose hash is not known yet.
pub(crate) fn incoming(upload: uuid::Uuid) -> Path {
    Path::from_iter([INCOMING, &upload.as_simple().to_string()])
}

/// Of a checkpoint, or of a folder of some. A name has parts of lower-case letters, digits and `-`, divided by `/`.
pub(crate) fn checkpoint(name: &str) -> Result<Path, Error> {
    let sound = |part: &str| !part.is_empty() && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'z' | b'-'));
    if name.len() > NAME_BYTES || !name.split('/').all(sound) {
        return Err(Error::InvalidName { given: name.chars().take(80).collect() });
    }
    Ok(Path::from_iter(std::iter::once(CHECKPOINTS).chain(name.split('/'))))
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

fn checked(sha256: &str) -> Result<&str, Error> {
    let valid = sha256.len() == 64 && sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if valid { Ok(sha256) } else { Err(Error::InvalidAddress { given: sha256.chars().take(80).collect() }) }
}
