"""The committed Python of `proto/` is what protoc makes of it today; if not: make proto."""

from importlib.resources import files
from pathlib import Path

import pytest
from google.protobuf.descriptor import FieldDescriptor
from grpc_tools import protoc

from curtaincall.monetization.v1 import monetization_pb2

ROOT = Path(__file__).parents[3]
PROTO = "curtaincall/monetization/v1/monetization.proto"


@pytest.mark.parametrize("name", ["monetization_pb2.py", "monetization_pb2.pyi", "monetization_pb2_grpc.py"])
def test_the_committed_code_is_up_to_date(tmp_path: Path, name: str) -> None:
    out = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    includes = [f"--proto_path={ROOT / 'proto'}", f"--proto_path={files('grpc_tools') / '_proto'}"]
    assert protoc.main(["protoc", *includes, *out, PROTO]) == 0
    generated = (tmp_path / PROTO).with_name(name)
    assert (ROOT / "src" / PROTO).with_name(name).read_text() == generated.read_text()


def test_every_enum_begins_with_unspecified() -> None:
    for enum in monetization_pb2.DESCRIPTOR.enum_types_by_name.values():
        assert enum.values_by_number[0].name.endswith("_UNSPECIFIED")


def test_every_number_says_its_unit() -> None:
    for message in monetization_pb2.DESCRIPTOR.message_types_by_name.values():
        for field in message.fields:
            if field.cpp_type in (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT32):
                assert field.name.endswith(("_ms", "_minor", "request_number")), field.full_name
