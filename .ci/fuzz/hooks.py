"""What schemathesis's configuration cannot say."""

import itertools
import os
import uuid

import schemathesis
import urllib3.util.connection as connection

KEY = "idempotency-key"
# The connection of the description's examples.
EXAMPLE = "con_01890a5d-ac96-774b-bcce-b302099a8057"
connect = connection.create_connection
# All of 127.0.0.0/8 is this machine.
sources = itertools.cycle(f"127.0.{third}.{fourth}" for third in range(1, 255) for fourth in range(1, 255))


def connect_from_another_address(address, *arguments, **options):
    """An address that has sent too many unknown keys has to wait, and the checks send one to each
    operation.
    """
    options["source_address"] = (next(sources), 0)
    return connect(address, *arguments, **options)


connection.create_connection = connect_from_another_address


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


@schemathesis.hook
def filter_case(context, case):
    """Leaves out what the API takes on purpose and the description does not tell."""
    # An empty parameter is an absent one.
    if any(value in ("", [""], None) for value in (case.query or {}).values()):
        return False
    # A text message may be a string. Clients have no use for it: no answer has this form.
    message = case.body.get("message") if isinstance(case.body, dict) else None
    return not (isinstance(message, dict) and isinstance(message.get("text"), str))


@schemathesis.hook
def before_call(context, case, kwargs):
    # Another request with the same Idempotency-Key is refused with 422.
    for name in [name for name in case.headers or {} if name.lower() == KEY]:
        if 1 <= len(case.headers[name]) <= 255:
            case.headers[name] = str(uuid.uuid4())
    # A long poll waits for what does not come.
    if str((case.query or {}).get("wait", "")) in map(str, range(1, 21)):
        case.query["wait"] = 0
    if isinstance(case.body, dict) and case.body.get("connection_id") == EXAMPLE:
        case.body = {**case.body, "connection_id": os.environ["CARILLON_CONNECTION"]}
