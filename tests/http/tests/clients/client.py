#!/usr/bin/python3
"""Client of the ID-card issue-data verification API (job V2C201), in Python.

Written from the protocol document alone, without sight of any server's source.
Habits of a known Python client that it keeps:
  * path without a trailing slash; Content-Type on a body-less GET; urllib's own
    header spelling (Sris-consumeradminid) and its own User-Agent
  * `sub` escaped as \\uXXXX by the JSON encoder; the JWT made by PyJWT (PKCS#8 key)
  * aud "YYYY/MM/DD HH:MM:SS" in the process's local time; iat -180 s, exp +180 s
  * jti is a uuid4 in hex without dashes; no nbf, no kid
  * personId upper-cased; ROC date written as 3+2+2 digits
  * an empty userId in the configuration means 12 random characters on each call
  * strict answer model: all five members must be there and the strings not null
    (numbers are coerced to str); knows the result codes 1-8 only; every other
    answer is a crash

Usage: client.py <base-url> <config.json>     (one JSON query per line on stdin)
"""
import json
import secrets
import string
import sys
import time
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Optional

import jwt

PATH = "/integration/rwv2c2"
WINDOW = 180  # seconds before and after the time of sending


class CheckResult(Enum):
    """The official table as this client knows it."""
    MATCH = "1"
    MISMATCH_FIRST = "2"
    MISMATCH_SECOND = "3"
    MISMATCH_THIRD = "4"
    LOCKED_TODAY = "5"
    NUMBER_STOPPED = "6"
    REPORTED_LOST = "7"
    CALLER_SUSPENDED = "8"

    @classmethod
    def find(cls, code):
        return next((item for item in cls if item.value == code), None)


@dataclass
class Answer:
    http_code: str
    http_message: str
    rd_code: str
    rd_message: str
    check: Optional[str]

    @classmethod
    def parse(cls, body: bytes) -> "Answer":
        data = json.loads(body)
        if not isinstance(data, dict):
            raise TypeError("the answer is not a JSON object")
        strings = [cls._text(data, name)
                   for name in ("httpCode", "httpMessage", "rdCode", "rdMessage")]
        if "responseData" not in data:
            raise KeyError("responseData is missing")
        inner = data["responseData"]
        if not isinstance(inner, (dict, str)):  # "" is tolerated, null is not
            raise TypeError(f"responseData is {type(inner).__name__}")
        check = inner.get("checkIdCardApply") if isinstance(inner, dict) else None
        if check is not None:
            check = str(check)
            # no guard: an unknown code makes this None.name -> AttributeError
            CheckResult.find(check).name
        return cls(*strings, check)

    @staticmethod
    def _text(data: dict, name: str) -> str:
        if name not in data:
            raise KeyError(f"{name} is missing")
        value = data[name]
        if not isinstance(value, (str, int, float)):
            raise TypeError(f"{name} is {type(value).__name__}, not a string")
        return str(value)


class Client:
    def __init__(self, base_url: str, config: dict):
        self.url = base_url.rstrip("/") + PATH
        self.config = config
        with open(config["keyFile"], encoding="ascii") as file:
            self.key = file.read()

    def token(self, query: dict) -> str:
        condition = {
            "personId": query["personId"].upper(),
            "applyCode": query["applyCode"],
            "applyYyymmdd": self._roc_date(query["applyYyymmdd"]),
            "issueSiteId": query["issueSiteId"],
        }
        now = int(time.time())
        claims = {
            "orgId": self.config["orgId"],
            "apId": self.config["apId"],
            "userId": self.config.get("userId") or self._random_user(),
            "iss": self.config["iss"],
            "sub": "綠色便民專案",
            "aud": datetime.fromtimestamp(now).strftime("%Y/%m/%d %H:%M:%S"),
            "jobId": "V2C201",
            "opType": "RW",
            "iat": now - WINDOW,
            "exp": now + WINDOW,
            "jti": uuid.uuid4().hex,
            "conditionMap": json.dumps(condition),
        }
        return jwt.encode(claims, self.key, algorithm="RS256")

    def send(self, token: str):
        request = urllib.request.Request(self.url, method="GET", headers={
            "Authorization": "Bearer " + token,
            "sris-consumerAdminId": "00000000",
            "Content-Type": "application/json",
        })
        try:
            with urllib.request.urlopen(request) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:  # an envelope may come with any status
            return error.code, error.read()

    @staticmethod
    def _roc_date(text: str) -> str:
        if not (text.isdigit() and len(text) in (6, 7)):
            return text  # let the service say what is wrong with it
        return f"{int(text[:-4]):03d}{int(text[-4:-2]):02d}{int(text[-2:]):02d}"

    @staticmethod
    def _random_user() -> str:
        return "".join(secrets.choice(string.ascii_letters + string.digits)
                       for _ in range(12))


def call(client: Client, token: str) -> dict:
    where = "no answer"
    try:
        status, body = client.send(token)
        where = f"HTTP {status}"
        answer = Answer.parse(body)
    except Exception as error:  # what would be an uncaught exception in the application
        return {"crash": f"{where}: {type(error).__name__}: {error}"}
    return {"status": status,
            "httpCode": answer.http_code, "httpMessage": answer.http_message,
            "rdCode": answer.rd_code, "rdMessage": answer.rd_message,
            "check": answer.check}


def main() -> int:
    if len(sys.argv) != 3:
        print("usage: client.py <base-url> <config.json>", file=sys.stderr)
        return 2
    with open(sys.argv[2], encoding="utf-8") as file:
        client = Client(sys.argv[1], json.load(file))
    for line in sys.stdin:
        if not line.strip():
            continue
        query = json.loads(line)
        token = client.token(query)
        for _ in range(2 if query.get("repeat") else 1):
            print(json.dumps(call(client, token), ensure_ascii=False), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
