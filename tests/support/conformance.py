"""Model files for schemathesis: the document says they are bytes, and nothing more is to be said."""

import schemathesis


@schemathesis.serializer("model/stl", "model/obj", "model/3mf")
def model(ctx, value):
    return value if isinstance(value, bytes) else str(value).encode()
