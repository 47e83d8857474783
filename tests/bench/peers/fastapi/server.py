"""The verification call as a FastAPI server would do it, written well: uvicorn with uvloop and
httptools, PyJWT with keys that are loaded once, kept connections with cached statements, one worker,
and what comes in together committed together. The same databases, durability, rules and answers as
the others."""
import asyncio
import datetime
import hashlib
import hmac
import json
import os
import re
import socket
import sqlite3
import time

import jwt
import orjson
import uvicorn
from cryptography.hazmat.primitives.serialization import load_der_public_key
from fastapi import FastAPI, Request, Response

SETTINGS = json.loads(os.environ["CHAYAN_PEER"])
DIGEST_KEY = hmac.new(bytes.fromhex(SETTINGS["digestKey"]), digestmod="sha256")
REGISTER_KEY = hmac.new(bytes.fromhex(SETTINGS["registerKey"]), digestmod="sha256")


def database(name, synchronous):
    connection = sqlite3.connect(f"{SETTINGS['data']}/{name}.db", isolation_level=None, timeout=5)
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    return connection


CASES = database("default", "FULL")
REGISTER = database("register", "FULL")
ATTEMPTS = database("attempts", "FULL")
CALLS = database("calls", "NORMAL")

CALLER = """SELECT accounts.ubn, ap_id, status, host_address, public_key, not_before, not_after,
    calls_per_minute, burst, revoked_at
  FROM accounts CROSS JOIN certificates ON certificates.ubn = accounts.ubn
  WHERE accounts.ubn = (SELECT ubn FROM accounts WHERE iss_key_digest = ?1
      UNION ALL SELECT ubn FROM accounts WHERE former_iss_key_digest = ?1 AND former_iss_key_until > (SELECT ?2))
    AND (+replaced_at IS NULL OR +replaced_at > (SELECT ?2))"""
CARD = "SELECT card, state FROM id_cards WHERE person = ?1"
EARLIER = "SELECT token, number, outcome FROM calls WHERE jti = ?1"
RESERVE = """INSERT OR IGNORE INTO calls
    (account, number, at, outcome, request, jti, token, person, user_id, took, due, sandbox)
  VALUES (?1, 1 + coalesce((SELECT number FROM calls WHERE account = (SELECT ?1) ORDER BY number DESC LIMIT 1), 0),
    ?2, CASE WHEN ?3 IS NULL AND EXISTS (SELECT 1 FROM calls WHERE outcome IN ('4', '5')
      AND person = (SELECT ?7) AND at BETWEEN ?13 AND ?13 + 86399999999) THEN '5' ELSE ?3 END,
    ?4, ?5, ?6, ?7, ?8, ?9,
    nullif(coalesce((SELECT CASE WHEN due < ?2 OR due > ?2 + ?12 THEN ?2 + ?11
        WHEN due + ?11 <= ?2 + ?10 THEN due + ?11 ELSE 0 END
      FROM calls WHERE account = (SELECT ?1) ORDER BY number DESC LIMIT 1), ?2 + ?11), 0), 0)
  RETURNING number, outcome"""
FINISH = """UPDATE calls SET outcome = ?3, request = ?4, took = ?5
  WHERE account = ?1 AND number = ?2 AND outcome IS NULL"""
COUNT = """INSERT INTO wrong_answers (person, day, wrong, first) VALUES (?1, ?2, 1, ?3)
  ON CONFLICT (person, day) DO UPDATE SET
    wrong = min(3, wrong + ((?3 IN (first, second, third)) IS NOT TRUE)),
    second = coalesce(second, nullif(?3, first)),
    third = CASE WHEN second IS NULL THEN NULL ELSE coalesce(third, nullif(nullif(?3, first), second)) END
  RETURNING CASE ?3 WHEN first THEN 1 WHEN second THEN 2 WHEN third THEN 3 END"""
SO_FAR = "SELECT wrong FROM wrong_answers WHERE person = ?1 AND day = ?2"


class Turns:
    """What is asked in one turn of the event loop runs in one transaction, in the order of asking."""

    def __init__(self, connection):
        self.connection = connection
        self.waiting = []

    def ask(self, writes, act):
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        if not self.waiting:
            loop.call_soon(self.run)
        self.waiting.append((writes, act, future))
        return future

    def run(self):
        batch, self.waiting = self.waiting, []
        writes = any(one[0] for one in batch)
        try:
            if writes:
                self.connection.execute("BEGIN IMMEDIATE")
            results = [act() for _, act, _ in batch]
            if writes:
                self.connection.execute("COMMIT")
            for (_, _, future), result in zip(batch, results):
                future.set_result(result)
        except Exception as error:  # noqa: BLE001 - whoever waits is told
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            for _, _, future in batch:
                future.set_exception(error)


COUNTING = Turns(ATTEMPTS)
RECORDING = Turns(CALLS)
KEYS = {}


def keyed(key, *parts):
    mac = key.copy()
    mac.update("".join(f"{part}\0" for part in parts).encode())
    return mac.digest()[:16]


def key_of(pkcs1):
    key = KEYS.get(pkcs1)
    if key is None:
        key = KEYS[pkcs1] = load_der_public_key(pkcs1)
    return key


SITES = set("""09007 09020 10001 10002 10003 10004 10005 10006 10007 10008 10009 10010 10011 10012 10013
10014 10015 10016 10017 10018 10020 63000 64000 65000 66000 67000 68000""".split())
OLD_SITES = {"10019": "66000", "10021": "67000"}
MEMBERS = {"personId", "applyCode", "applyYyymmdd", "issueSiteId"}
PERSON = re.compile(r"[A-Z][12][0-9]{8}", re.ASCII)
DATE = re.compile(r"[0-9]{7}", re.ASCII)
USER = re.compile(r"[A-Za-z0-9_]{1,12}", re.ASCII)
TEXTS = ("orgId", "apId", "userId", "iss", "sub", "jobId", "opType", "jti", "conditionMap")
# The account says which certificate; the times have rules of their own.
OPTIONS = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False, "verify_iss": False}


def conditions(text):
    """The four conditions, or the name of the first that is not allowed."""
    try:
        found = orjson.loads(text)
    except ValueError:
        return "conditionMap"
    if not isinstance(found, dict) or found.keys() != MEMBERS or not all(isinstance(value, str) for value in found.values()):
        return "conditionMap"
    person, code, date, site = (found[name].strip() for name in ("personId", "applyCode", "applyYyymmdd", "issueSiteId"))
    person = person.upper()
    if not PERSON.fullmatch(person):
        return "personId"
    if code not in ("1", "2", "3"):
        return "applyCode"
    if not DATE.fullmatch(date) or date.startswith("000"):
        return "applyYyymmdd"
    try:
        datetime.date(int(date[:3]) + 1911, int(date[3:5]), int(date[5:]))
    except ValueError:
        return "applyYyymmdd"
    if int(date) < 991225:
        site = OLD_SITES.get(site, site)
    return (person, code, date, site) if site in SITES else "issueSiteId"


class Refused(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def admit(claims, caller, source, seconds):
    """Judges everything about a token that is no lookup."""
    ubn, ap_id, status, address, _, not_before, not_after, _, _, revoked = caller
    if status in ("stopped", "revoked"):
        raise Refused(401, "no credentials found")
    agreed = (claims["sub"] == "綠色便民專案" and claims["jobId"] == "V2C201" and claims["opType"] == "RW"
              and 1 <= len(claims["jti"]) <= 64 and USER.fullmatch(claims["userId"]))
    if not agreed:
        raise Refused(401, "a claim is not as agreed")
    iat, exp, nbf = claims["iat"], claims["exp"], claims.get("nbf")
    if not isinstance(iat, int) or not isinstance(exp, int) or not 1 <= exp - iat <= 600:
        raise Refused(401, "token lives too long")
    if iat > seconds + 60 or (nbf is not None and nbf > seconds + 60):
        raise Refused(401, "token not valid yet")
    if exp < seconds - 60:
        raise Refused(401, "token expired")
    if source != address:
        raise Refused(403, "address")
    if status == "suspended":
        return "8"
    if revoked is not None or not not_before <= seconds <= not_after:
        raise Refused(401, "certificate")
    if claims["orgId"] != ubn or claims["apId"] != ap_id:
        return "RS3811"
    return None


def day_of(micros):
    return (micros // 1_000_000 + 28_800) // 86_400


async def look_up(card, person, token, micros):
    digest, day = keyed(REGISTER_KEY, "card", *card), day_of(micros)
    row = REGISTER.execute(CARD, (person,)).fetchone()
    differs = row is None or (row[1] == 0 and not hmac.compare_digest(row[0], digest))

    def count():
        if differs:
            found = ATTEMPTS.execute(COUNT, (person, day, token)).fetchone()
            return found and found[0]
        found = ATTEMPTS.execute(SO_FAR, (person, day)).fetchone()
        return 0 if found is None else found[0] if found[0] < 3 else None

    counted = await COUNTING.ask(differs, count)
    if counted is None:
        return "5"
    if differs:
        return str(counted + 1)
    return "1" if row[1] == 0 else str(row[1])


async def answer(authorization, source, request):
    begun, micros = time.perf_counter(), time.time_ns() // 1000
    seconds = micros // 1_000_000
    if not authorization.startswith("Bearer "):
        raise Refused(401, "bearer token missing")
    text = authorization[7:]
    try:
        decoded = jwt.decode_complete(text, options={"verify_signature": False})
    except jwt.PyJWTError as error:
        raise Refused(401, "bad token") from error
    claims, header = decoded["payload"], decoded["header"]
    if len(text) > 8192 or header.get("alg") != "RS256" or header.get("typ", "JWT") != "JWT" or header.keys() - {"alg", "typ"}:
        raise Refused(401, "bad token")
    if not all(isinstance(claims.get(name), str) for name in TEXTS):
        raise Refused(401, "bad token")
    for caller in CASES.execute(CALLER, (keyed(DIGEST_KEY, "isskey", claims["iss"]), seconds)).fetchall():
        try:
            claims = jwt.decode(text, key_of(caller[4]), algorithms=["RS256"], options=OPTIONS)
            break
        except jwt.PyJWTError:
            continue
    else:
        raise Refused(401, "no credentials found")
    outcome = admit(claims, caller, source, seconds)
    account, per_minute, burst = caller[1], caller[7], caller[8]
    token = hashlib.sha256(text[: text.rindex(".")].encode()).digest()[:16]
    jti = hashlib.sha256(f"{account}\0{claims['jti']}".encode()).digest()[:16]
    person = card = None
    if outcome is None:
        card = conditions(claims["conditionMap"])
        if isinstance(card, str):
            outcome = f"RS3822 {card}"
        else:
            person = keyed(REGISTER_KEY, "person", card[0])
    cost = max(60_000_000 // per_minute, 1)
    tolerance = cost * burst

    def took():
        return round((time.perf_counter() - begun) * 1_000_000)

    row = (account, micros, outcome, request, jti, token, person, claims["userId"], took(),
           tolerance, cost, tolerance + cost + 10_000_000, (day_of(micros) * 86_400 - 28_800) * 1_000_000)
    kept = await RECORDING.ask(True, lambda: CALLS.execute(RESERVE, row).fetchone())
    if kept is None:
        earlier = CALLS.execute(EARLIER, (jti,)).fetchone()
        if earlier is None:
            raise Refused(429, "rate limit")
        if earlier[0] != token:
            raise Refused(401, "jti was used by another token")
        kept = earlier[1:]
    number, known = kept
    if known is not None:
        return known
    if outcome is None:
        outcome = await look_up(card, person, token, micros)
    finished = (account, number, outcome, request, took())
    first = await RECORDING.ask(True, lambda: CALLS.execute(FINISH, finished).rowcount)
    return outcome if first else CALLS.execute(EARLIER, (jti,)).fetchone()[2]


def body(outcome):
    if outcome == "RS3811":
        code, message, data = "RS3811", "連結機關作業管理資料未建, 請重新輸入", {}
    elif outcome.startswith("RS3822"):
        code, message, data = "RS3822", f"查詢條件值,不符規定 {outcome[7:]}", {}
    else:
        code, message, data = "RS7009", "查詢作業完成", {"checkIdCardApply": outcome}
    return orjson.dumps({"httpCode": "200", "httpMessage": "OK", "rdCode": code, "rdMessage": message, "responseData": data})


app = FastAPI(openapi_url=None)


@app.get("/integration/rwv2c2")
async def verify(request: Request):
    number = os.urandom(16)
    headers = {"x-request-id": number.hex(), "cache-control": "no-store"}
    try:
        outcome = await answer(request.headers.get("authorization", ""), request.client.host, number)
        return Response(body(outcome), media_type="application/json", headers=headers)
    except Refused as refused:
        content = {"httpCode": str(refused.status), "httpMessage": str(refused), "rdCode": "", "rdMessage": "", "responseData": {}}
        return Response(orjson.dumps(content), refused.status, media_type="application/json", headers=headers)


if __name__ == "__main__":
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    print("127.0.0.1:%d" % listener.getsockname()[1], flush=True)
    config = uvicorn.Config(app, loop="uvloop", http="httptools", access_log=False, log_level="error", lifespan="off")
    uvicorn.Server(config).run(sockets=[listener])
