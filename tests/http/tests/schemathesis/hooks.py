"""Tokens for schemathesis: most of them signed and good, some with a claim spoilt."""
import json
import os
import random
import string
import time
import uuid

import jwt
import schemathesis

with open(os.environ["CHAYAN_CALLER"], encoding="utf-8") as file:
    CALLER = json.load(file)
with open(CALLER["keyFile"], "rb") as file:
    KEY = file.read()
CARDS = CALLER["cards"]


def spoilt():
    return random.choice(["", "x", 1, None, [], {}, "綠色", "\u0000", "9" * 200, -1, 1e30, True])


def token():
    card = dict(random.choice(CARDS))
    if random.random() < 0.3:
        card[random.choice(list(card))] = random.choice(["", "A12345678", "0", "9", "0940230", "10022"])
    if random.random() < 0.3:
        card["personId"] = random.choice("ABCDEF") + "2" + "".join(random.choices(string.digits, k=8))
    now = int(time.time())
    claims = {
        "orgId": CALLER["orgId"], "apId": CALLER["apId"], "userId": "fuzz_1", "iss": CALLER["iss"],
        "sub": "綠色便民專案", "aud": "2026/11/17 14:00:00", "jobId": "V2C201", "opType": "RW",
        "iat": now - 180, "exp": now + 180, "jti": uuid.uuid4().hex,
        "conditionMap": json.dumps(card),
    }
    if random.random() < 0.3:
        claims[random.choice(list(claims))] = spoilt()
    claims = {name: value for name, value in claims.items() if value is not None}
    text = jwt.api_jws.encode(json.dumps(claims).encode(), KEY, algorithm="RS256")
    if random.random() < 0.1:
        text = text[: random.randrange(len(text))]
    return text


@schemathesis.hook
def before_call(context, case, **kwargs):
    """The headers and bodies of most calls carry such a token."""
    if random.random() < 0.1:
        return
    if "Authorization" in (case.headers or {}):
        case.headers = {**case.headers, "Authorization": f"Bearer {token()}"}
    elif isinstance(case.body, dict) and "token" in case.body:
        case.body = {**case.body, "token": token()}
