"""The committed Python of `proto/` is what protoc makes of it today; if not: make proto."""

from importlib.resources import files
from pathlib import Path

import pytest
from google.protobuf.descriptor import FieldDescriptor
from grpc_tools import protoc

from curtaincall.media.v1 import media_node_pb2
from curtaincall.monetization.v1 import monetization_pb2

ROOT = Path(__file__).parents[3]
PROTOS = ("curtaincall/monetization/v1/monetization.proto", "curtaincall/media/v1/media_node.proto")


@pytest.mark.parametrize("proto", PROTOS)
@pytest.mark.parametrize("ending", ["_pb2.py", "_pb2.pyi", "_pb2_grpc.py"])
def test_the_committed_code_is_up_to_date(tmp_path: Path, proto: str, ending: str) -> None:
    out = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    includes = [f"--proto_path={ROOT / 'proto'}", f"--proto_path={files('grpc_tools') / '_proto'}"]
    assert protoc.main(["protoc", *includes, *out, proto]) == 0
    name = Path(proto).stem + ending
    generated = (tmp_path / proto).with_name(name)
    assert (ROOT / "src" / proto).with_name(name).read_text() == generated.read_text()


def test_every_proto_is_checked() -> None:
    assert {str(path.relative_to(ROOT / "proto")) for path in (ROOT / "proto").rglob("*.proto")} == set(PROTOS)


def test_every_enum_begins_with_unspecified() -> None:
    described = (monetization_pb2.DESCRIPTOR, media_node_pb2.DESCRIPTOR)
    for enum in (enum for file in described for enum in file.enum_types_by_name.values()):
        assert enum.values_by_number[0].name.endswith("_UNSPECIFIED")


def test_every_number_says_its_unit() -> None:
    for message in monetization_pb2.DESCRIPTOR.message_types_by_name.values():
        for field in message.fields:
            if field.cpp_type in (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT32):
                assert field.name.endswith(("_ms", "_minor", "request_number")), field.full_name
