"""Problem documents (RFC 9457), as every test of a refusal reads them."""

import httpx


def code(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a problem document, whose shape is checked on the way."""
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["status"] == answer.status_code
    assert problem["type"] == f"urn:curtaincall:problem:{problem['code']}"
    assert problem["title"]
    assert problem["detail"]
    return answer.status_code, problem["code"]
