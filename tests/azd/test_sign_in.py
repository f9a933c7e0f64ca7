"""The played sign-in: a code is good once, and a program is told who the person is."""

import json
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt

from tests.azd.identity import MANAGEMENT, PERSON, Entra
from tests.azd.messages import Answer, Call
from tests.azd.sign_in import HOST, SignIn

AUTHORIZE = {
    "redirect_uri": "http://localhost:1",
    "state": "of the program",
    "client_id": "program",
    "nonce": "n",
}


def ask(entra: SignIn, method: str, target: str, **form: str) -> Answer | None:
    return entra.answer(Call(method, HOST, f"/organizations/{target}", {}, urlencode(form).encode()))


def code(entra: SignIn) -> str:
    answer = ask(entra, "GET", f"oauth2/v2.0/authorize?{urlencode(AUTHORIZE)}")
    assert answer is not None
    back = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert back["state"] == ["of the program"]
    return back["code"][0]


def redeem(entra: SignIn, given: str) -> Answer:
    scope = f"{MANAGEMENT[0]}/.default offline_access openid profile"
    form = {"grant_type": "authorization_code", "code": given, "client_id": "program", "scope": scope}
    answer = ask(entra, "POST", "oauth2/v2.0/token", **form)
    assert answer is not None
    return answer


def test_code_is_exchanged_for_tokens_once() -> None:
    entra = SignIn(Entra())
    given = code(entra)
    tokens = json.loads(redeem(entra, given).body)
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    assert entra.entra.principal(Call("GET", "any", "/", bearer, b""), *MANAGEMENT) == PERSON
    assert jwt.decode(tokens["id_token"], options={"verify_signature": False})["nonce"] == "n"
    assert redeem(entra, given).status == 400
    assert entra.signed_in == ["program"]


def test_browser_that_posts_is_given_a_form() -> None:
    posted = urlencode({**AUTHORIZE, "response_mode": "form_post"})
    answer = ask(SignIn(Entra()), "GET", f"oauth2/v2.0/authorize?{posted}")
    assert answer is not None
    assert b'action="http://localhost:1"' in answer.body


def test_other_grants_are_refused_and_other_pages_unknown() -> None:
    entra = SignIn(Entra())
    assert redeem(entra, "no code of his").status == 400
    stolen = ask(entra, "POST", "oauth2/v2.0/token", grant_type="refresh_token", refresh_token="none of his")
    assert stolen is not None
    assert stolen.status == 400
    assert ask(entra, "GET", "oauth2/v2.0/logout") is None
