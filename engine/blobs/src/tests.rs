//! What the store promises, on files and in memory.

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};

use crate::upload::PART_BYTES;
use crate::{Blobs, Error, PutError, local};

const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn body(size_bytes: usize, chunk_bytes: usize) -> BoxStream<'static, Result<Bytes, Infallible>> {
    let bytes = Bytes::from((0..size_bytes).map(|i| (i * 31 % 251) as u8).collect::<Vec<_>>());
    let chunks = (0..size_bytes.div_ceil(chunk_bytes)).map(move |n| bytes.slice(n * chunk_bytes..((n + 1) * chunk_bytes).min(size_bytes)));
    stream::iter(chunks.map(Ok)).boxed()
}

fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for folder in ["models", "previews", "incoming"] {
        for entry in std::fs::read_dir(dir.join(folder)).expect("folder") {
            found.push(format!("{folder}/{}", entry.expect("entry").file_name().to_string_lossy()));
        }
    }
    found
}

#[tokio::test]
async fn a_short_body_lies_at_its_hash() {
    let dir = tempfile::tempdir().expect("dir");
    let blobs = Blobs::local(dir.path()).expect("store");
    let stored = blobs.put_stream(stream::iter([Ok::<_, Infallible>("a".into()), Ok("bc".into())]), 3).await.expect("stored");
    assert_eq!((stored.sha256.as_str(), stored.size_bytes), (ABC, 3));
    assert_eq!(files(dir.path()), [format!("models/{ABC}")]);
    assert_eq!(blobs.get(ABC).await.expect("read"), "abc");
    assert_eq!(blobs.put("abc".into()).await.expect("again"), stored);
    // Another process on the same folder.
    assert_eq!(Blobs::local(dir.path()).expect("store").get(ABC).await.expect("read"), "abc");
}

#[tokio::test]
async fn a_long_body_is_the_same_in_parts_and_in_one_piece() {
    let dir = tempfile::tempdir().expect("dir");
    for blobs in [Blobs::local(dir.path()).expect("store"), Blobs::in_memory()] {
        for size_bytes in [PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES + 17] {
            let stored = blobs.put_stream(body(size_bytes, 100_003), u64::MAX).await.expect("stored");
            let read = blobs.get(&stored.sha256).await.expect("read");
            assert_eq!((stored.size_bytes, read.len()), (size_bytes as u64, size_bytes));
            assert_eq!(blobs.put(read).await.expect("one piece"), stored);
        }
    }
    assert!(files(dir.path()).iter().all(|f| f.starts_with("models/") && !f.contains('#')), "{:?}", files(dir.path()));
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_leaves_nothing() {
    let dir = tempfile::tempdir().expect("dir");
    let blobs = Blobs::local(dir.path()).expect("store");
    for (size_bytes, limit_bytes) in [(4, 3), (3 * PART_BYTES, 2 * PART_BYTES as u64 + 1)] {
        match blobs.put_stream(body(size_bytes, 64 << 10), limit_bytes).await {
            Err(PutError::TooLarge { limit_bytes: told }) => assert_eq!(told, limit_bytes),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(files(dir.path()), [""; 0]);
}

#[tokio::test]
async fn the_rest_of_an_oversized_body_is_not_read() {
    let mut taken = 0;
    let endless = stream::repeat_with(|| {
        taken += 1;
        Ok::<_, Infallible>(Bytes::from_static(&[0; 1000]))
    });
    assert!(matches!(Blobs::in_memory().put_stream(endless, 2500).await, Err(PutError::TooLarge { .. })));
    assert_eq!(taken, 3);
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_nothing() {
    let dir = tempfile::tempdir().expect("dir");
    let blobs = Blobs::local(dir.path()).expect("store");
    let broken = body(2 * PART_BYTES, 1 << 20).map(|c| c.map_err(|_| "never")).chain(stream::iter([Err("connection reset")]));
    let error = blobs.put_stream(broken, u64::MAX).await.expect_err("broken");
    assert_eq!(error.to_string(), "the upload broke off: connection reset");
    assert_eq!(files(dir.path()), [""; 0]);
}

#[tokio::test]
async fn an_abandoned_upload_leaves_nothing() {
    let dir = tempfile::tempdir().expect("dir");
    let blobs = Blobs::local(dir.path()).expect("store");
    let (seen, saw) = tokio::sync::oneshot::channel();
    let mut seen = Some(seen);
    let hangs = body(2 * PART_BYTES, 1 << 20).chain(stream::once(Box::pin(async move {
        let _ = seen.take().expect("once").send(());
        futures::future::pending().await
    })));
    let upload = tokio::spawn(async move { blobs.put_stream(hangs, u64::MAX).await });
    saw.await.expect("the whole body was taken");
    assert_eq!(files(dir.path()).len(), 1, "a part is on disk");
    upload.abort();
    let _ = upload.await;
    // The staging file is removed on another thread.
    for _ in 0..500 {
        if files(dir.path()).is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("left behind: {:?}", files(dir.path()));
}

#[tokio::test]
async fn only_hashes_are_addresses() {
    let blobs = Blobs::in_memory();
    let long = format!("{ABC}0");
    let upper = ABC.to_uppercase();
    for given in ["", "abc", "../../etc/passwd", long.as_str(), upper.as_str(), &ABC.replace('f', "/")] {
        assert!(matches!(blobs.get(given).await, Err(Error::InvalidAddress { .. })), "{given}");
        assert!(matches!(blobs.get_preview(given).await, Err(Error::InvalidAddress { .. })), "{given}");
        assert!(matches!(blobs.put_preview(given, Bytes::new()).await, Err(Error::InvalidAddress { .. })), "{given}");
    }
}

#[tokio::test]
async fn damage_is_noticed_and_an_upload_mends_it() {
    let dir = tempfile::tempdir().expect("dir");
    let blobs = Blobs::local(dir.path()).expect("store");
    assert_eq!(blobs.get(ABC).await, Err(Error::NotFound { sha256: ABC.into() }));
    std::fs::write(dir.path().join("models").join(ABC), "abd").expect("damage");
    assert_eq!(blobs.get(ABC).await, Err(Error::Corrupt { sha256: ABC.into() }));
    blobs.put_stream(stream::iter([Ok::<_, Infallible>(Bytes::from("abc"))]), 9).await.expect("stored");
    assert_eq!(blobs.get(ABC).await.expect("mended"), "abc");
}

#[tokio::test]
async fn previews_are_kept_by_model() {
    let dir = tempfile::tempdir().expect("dir");
    for blobs in [Blobs::local(dir.path()).expect("store"), Blobs::in_memory()] {
        assert_eq!((blobs.get_preview(ABC).await.expect("none"), blobs.has_preview(ABC).await.expect("looked up")), (None, false));
        for png in ["one", "two"] {
            blobs.put_preview(ABC, png.into()).await.expect("stored");
            assert_eq!(blobs.get_preview(ABC).await.expect("read"), Some(png.into()));
            assert!(blobs.has_preview(ABC).await.expect("looked up"));
        }
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().expect("dir");
    let file = dir.path().join("file");
    std::fs::write(&file, "").expect("file");
    let error = Blobs::local(&file).expect_err("not a folder").to_string();
    assert!(error.contains(&*file.to_string_lossy()), "{error}");
}

#[test]
fn leftovers_are_swept_once_old_and_objects_never() {
    let dir = tempfile::tempdir().expect("dir");
    Blobs::local(dir.path()).expect("store");
    for name in [format!("models/{ABC}"), format!("models/{ABC}#1"), "incoming/1".into(), format!("previews/{ABC}.png#12")] {
        std::fs::write(dir.path().join(name), "x").expect("file");
    }
    Blobs::local(dir.path()).expect("young files stay");
    assert_eq!(files(dir.path()).len(), 4);
    for folder in ["models", "previews", "incoming"] {
        local::sweep(&dir.path().join(folder), folder == "incoming", Duration::ZERO).expect("swept");
    }
    assert_eq!(files(dir.path()), [format!("models/{ABC}")]);
}

#[tokio::test]
async fn checkpoints_are_listed_replaced_and_removed_by_name() {
    let dir = tempfile::tempdir().expect("dir");
    for blobs in [Blobs::local(dir.path()).expect("store"), Blobs::in_memory()] {
        for (name, bytes) in [("ab/0/7-3", "one"), ("ab/0/part-9f", "two"), ("ab/1/7-3", "other"), ("ab/0/7-3", "new")] {
            blobs.put_checkpoint(name, bytes.into()).await.expect("stored");
        }
        assert_eq!(blobs.get_checkpoint("ab/0/7-3").await.expect("read"), "new");
        let mut names = blobs.list_checkpoints("ab/0").await.expect("listed");
        names.sort_unstable();
        assert_eq!(names, ["ab/0/7-3", "ab/0/part-9f"]);
        assert!(blobs.list_checkpoints("cd/0").await.expect("listed").is_empty(), "nothing was ever stored there");
        blobs.delete_checkpoint("ab/0/7-3").await.expect("removed");
        blobs.delete_checkpoint("ab/0/7-3").await.expect("nothing to remove");
        assert_eq!(blobs.get_checkpoint("ab/0/7-3").await, Err(Error::NoSuchName { name: "ab/0/7-3".into() }));
        for name in ["", "/", "ab//7", "../models/x", "ab/A", "ab/7#1", &"a".repeat(201)] {
            assert!(matches!(blobs.put_checkpoint(name, "x".into()).await, Err(Error::InvalidName { .. })), "{name:?}");
        }
    }
}
