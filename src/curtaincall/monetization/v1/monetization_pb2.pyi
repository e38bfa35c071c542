from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PaymentState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PAYMENT_STATE_UNSPECIFIED: _ClassVar[PaymentState]
    PAYMENT_STATE_PAID: _ClassVar[PaymentState]
    PAYMENT_STATE_FAILED: _ClassVar[PaymentState]
    PAYMENT_STATE_EXPIRED: _ClassVar[PaymentState]
    PAYMENT_STATE_UNKNOWN: _ClassVar[PaymentState]

class ResultCode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RESULT_CODE_UNSPECIFIED: _ClassVar[ResultCode]
    RESULT_CODE_SUCCESS: _ClassVar[ResultCode]
    RESULT_CODE_CREDIT_LIMIT_REACHED: _ClassVar[ResultCode]

class FinalUnitAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FINAL_UNIT_ACTION_UNSPECIFIED: _ClassVar[FinalUnitAction]
    FINAL_UNIT_ACTION_TERMINATE: _ClassVar[FinalUnitAction]

class EndReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    END_REASON_UNSPECIFIED: _ClassVar[EndReason]
    END_REASON_TIME_EXPIRED: _ClassVar[EndReason]
    END_REASON_PAYER_ENDED: _ClassVar[EndReason]
    END_REASON_HOST_ENDED: _ClassVar[EndReason]
    END_REASON_CONNECTION_LOST: _ClassVar[EndReason]
    END_REASON_ADMIN_TERMINATED: _ClassVar[EndReason]
    END_REASON_PAYMENT_FAILED: _ClassVar[EndReason]
PAYMENT_STATE_UNSPECIFIED: PaymentState
PAYMENT_STATE_PAID: PaymentState
PAYMENT_STATE_FAILED: PaymentState
PAYMENT_STATE_EXPIRED: PaymentState
PAYMENT_STATE_UNKNOWN: PaymentState
RESULT_CODE_UNSPECIFIED: ResultCode
RESULT_CODE_SUCCESS: ResultCode
RESULT_CODE_CREDIT_LIMIT_REACHED: ResultCode
FINAL_UNIT_ACTION_UNSPECIFIED: FinalUnitAction
FINAL_UNIT_ACTION_TERMINATE: FinalUnitAction
END_REASON_UNSPECIFIED: EndReason
END_REASON_TIME_EXPIRED: EndReason
END_REASON_PAYER_ENDED: EndReason
END_REASON_HOST_ENDED: EndReason
END_REASON_CONNECTION_LOST: EndReason
END_REASON_ADMIN_TERMINATED: EndReason
END_REASON_PAYMENT_FAILED: EndReason

class PaymentStatus(_message.Message):
    __slots__ = ("room_id", "user_id", "state", "paid_until_unix_ms", "granted_ms", "used_ms")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PAID_UNTIL_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    GRANTED_MS_FIELD_NUMBER: _ClassVar[int]
    USED_MS_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    user_id: str
    state: PaymentState
    paid_until_unix_ms: int
    granted_ms: int
    used_ms: int
    def __init__(self, room_id: _Optional[str] = ..., user_id: _Optional[str] = ..., state: _Optional[_Union[PaymentState, str]] = ..., paid_until_unix_ms: _Optional[int] = ..., granted_ms: _Optional[int] = ..., used_ms: _Optional[int] = ...) -> None: ...

class GetPaymentStatusRequest(_message.Message):
    __slots__ = ("room_id", "user_id")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    user_id: str
    def __init__(self, room_id: _Optional[str] = ..., user_id: _Optional[str] = ...) -> None: ...

class GetPaymentStatusResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: PaymentStatus
    def __init__(self, status: _Optional[_Union[PaymentStatus, _Mapping]] = ...) -> None: ...

class WatchPaymentStatusRequest(_message.Message):
    __slots__ = ("room_id", "user_id")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    user_id: str
    def __init__(self, room_id: _Optional[str] = ..., user_id: _Optional[str] = ...) -> None: ...

class WatchPaymentStatusResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: PaymentStatus
    def __init__(self, status: _Optional[_Union[PaymentStatus, _Mapping]] = ...) -> None: ...

class Grant(_message.Message):
    __slots__ = ("granted_ms", "used_ms", "validity_ms", "final_unit_action")
    GRANTED_MS_FIELD_NUMBER: _ClassVar[int]
    USED_MS_FIELD_NUMBER: _ClassVar[int]
    VALIDITY_MS_FIELD_NUMBER: _ClassVar[int]
    FINAL_UNIT_ACTION_FIELD_NUMBER: _ClassVar[int]
    granted_ms: int
    used_ms: int
    validity_ms: int
    final_unit_action: FinalUnitAction
    def __init__(self, granted_ms: _Optional[int] = ..., used_ms: _Optional[int] = ..., validity_ms: _Optional[int] = ..., final_unit_action: _Optional[_Union[FinalUnitAction, str]] = ...) -> None: ...

class AuthorizeRequest(_message.Message):
    __slots__ = ("session_id", "request_number", "room_id", "payer_id", "payee_id", "requested_ms")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_NUMBER_FIELD_NUMBER: _ClassVar[int]
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    PAYER_ID_FIELD_NUMBER: _ClassVar[int]
    PAYEE_ID_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_MS_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    request_number: int
    room_id: str
    payer_id: str
    payee_id: str
    requested_ms: int
    def __init__(self, session_id: _Optional[str] = ..., request_number: _Optional[int] = ..., room_id: _Optional[str] = ..., payer_id: _Optional[str] = ..., payee_id: _Optional[str] = ..., requested_ms: _Optional[int] = ...) -> None: ...

class AuthorizeResponse(_message.Message):
    __slots__ = ("session_id", "request_number", "result_code", "grant", "price_per_minute_minor", "currency")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_NUMBER_FIELD_NUMBER: _ClassVar[int]
    RESULT_CODE_FIELD_NUMBER: _ClassVar[int]
    GRANT_FIELD_NUMBER: _ClassVar[int]
    PRICE_PER_MINUTE_MINOR_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    request_number: int
    result_code: ResultCode
    grant: Grant
    price_per_minute_minor: int
    currency: str
    def __init__(self, session_id: _Optional[str] = ..., request_number: _Optional[int] = ..., result_code: _Optional[_Union[ResultCode, str]] = ..., grant: _Optional[_Union[Grant, _Mapping]] = ..., price_per_minute_minor: _Optional[int] = ..., currency: _Optional[str] = ...) -> None: ...

class UpdateRequest(_message.Message):
    __slots__ = ("session_id", "request_number", "used_ms", "requested_ms")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_NUMBER_FIELD_NUMBER: _ClassVar[int]
    USED_MS_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_MS_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    request_number: int
    used_ms: int
    requested_ms: int
    def __init__(self, session_id: _Optional[str] = ..., request_number: _Optional[int] = ..., used_ms: _Optional[int] = ..., requested_ms: _Optional[int] = ...) -> None: ...

class UpdateResponse(_message.Message):
    __slots__ = ("session_id", "request_number", "result_code", "grant")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_NUMBER_FIELD_NUMBER: _ClassVar[int]
    RESULT_CODE_FIELD_NUMBER: _ClassVar[int]
    GRANT_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    request_number: int
    result_code: ResultCode
    grant: Grant
    def __init__(self, session_id: _Optional[str] = ..., request_number: _Optional[int] = ..., result_code: _Optional[_Union[ResultCode, str]] = ..., grant: _Optional[_Union[Grant, _Mapping]] = ...) -> None: ...

class TerminateRequest(_message.Message):
    __slots__ = ("session_id", "request_number", "used_ms", "reason")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_NUMBER_FIELD_NUMBER: _ClassVar[int]
    USED_MS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    request_number: int
    used_ms: int
    reason: EndReason
    def __init__(self, session_id: _Optional[str] = ..., request_number: _Optional[int] = ..., used_ms: _Optional[int] = ..., reason: _Optional[_Union[EndReason, str]] = ...) -> None: ...

class TerminateResponse(_message.Message):
    __slots__ = ("session_id", "request_number", "result_code", "used_ms", "charged_minor", "fee_minor", "creator_minor", "currency")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_NUMBER_FIELD_NUMBER: _ClassVar[int]
    RESULT_CODE_FIELD_NUMBER: _ClassVar[int]
    USED_MS_FIELD_NUMBER: _ClassVar[int]
    CHARGED_MINOR_FIELD_NUMBER: _ClassVar[int]
    FEE_MINOR_FIELD_NUMBER: _ClassVar[int]
    CREATOR_MINOR_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    request_number: int
    result_code: ResultCode
    used_ms: int
    charged_minor: int
    fee_minor: int
    creator_minor: int
    currency: str
    def __init__(self, session_id: _Optional[str] = ..., request_number: _Optional[int] = ..., result_code: _Optional[_Union[ResultCode, str]] = ..., used_ms: _Optional[int] = ..., charged_minor: _Optional[int] = ..., fee_minor: _Optional[int] = ..., creator_minor: _Optional[int] = ..., currency: _Optional[str] = ...) -> None: ...

class ReportPaymentFailureRequest(_message.Message):
    __slots__ = ("room_id", "user_id")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    user_id: str
    def __init__(self, room_id: _Optional[str] = ..., user_id: _Optional[str] = ...) -> None: ...

class ReportPaymentFailureResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
