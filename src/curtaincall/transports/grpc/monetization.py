"""The servicer of `proto/curtaincall/monetization/v1`. Every method is called behind the guard."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from curtaincall.charging.credit_control import CreditControl
from curtaincall.charging.payment_status import PaymentStatuses
from curtaincall.enforcement.failures import PaymentFailures
from curtaincall.monetization.v1 import monetization_pb2 as pb
from curtaincall.monetization.v1.monetization_pb2_grpc import MonetizationServiceServicer
from curtaincall.transports.grpc import messages
from curtaincall.transports.grpc.guard import Context, caller


class Monetization(MonetizationServiceServicer):
    """The names are the proto's."""

    def __init__(self, statuses: PaymentStatuses, credit: CreditControl, failures: PaymentFailures) -> None:
        self._statuses = statuses
        self._credit = credit
        self._failures = failures

    async def GetPaymentStatus(
        self, request: pb.GetPaymentStatusRequest, context: Context
    ) -> pb.GetPaymentStatusResponse:
        status = await self._statuses.of_seat(*messages.seat(request.room_id, request.user_id))
        return pb.GetPaymentStatusResponse(status=messages.payment_status(status))

    async def WatchPaymentStatus(
        self, request: pb.WatchPaymentStatusRequest, context: Context
    ) -> AsyncIterator[pb.WatchPaymentStatusResponse]:
        room_id, user_id = messages.seat(request.room_id, request.user_id)
        async with aclosing(self._statuses.watch(room_id, user_id)) as told:
            async for status in told:
                yield pb.WatchPaymentStatusResponse(status=messages.payment_status(status))

    async def Authorize(self, request: pb.AuthorizeRequest, context: Context) -> pb.AuthorizeResponse:
        session_id = messages.chosen("session_id", request.session_id)
        asked = messages.authorize(request)
        return messages.authorized(
            request, await self._credit.answer(caller.get(), session_id, request.request_number, asked)
        )

    async def Update(self, request: pb.UpdateRequest, context: Context) -> pb.UpdateResponse:
        session_id = messages.chosen("session_id", request.session_id)
        asked = messages.update(request)
        return messages.updated(
            request, await self._credit.answer(caller.get(), session_id, request.request_number, asked)
        )

    async def Terminate(self, request: pb.TerminateRequest, context: Context) -> pb.TerminateResponse:
        session_id = messages.chosen("session_id", request.session_id)
        asked = messages.terminate(request)
        return messages.terminated(
            request, await self._credit.answer(caller.get(), session_id, request.request_number, asked)
        )

    async def ReportPaymentFailure(
        self, request: pb.ReportPaymentFailureRequest, context: Context
    ) -> pb.ReportPaymentFailureResponse:
        await self._failures.report(*messages.seat(request.room_id, request.user_id))
        return pb.ReportPaymentFailureResponse()
