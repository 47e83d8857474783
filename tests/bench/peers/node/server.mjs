// The verification call as a Node server would do it, written well: Express, jsonwebtoken with key
// objects that are made once, better-sqlite3 with prepared statements, one process, and what comes in
// together committed together. The same databases, durability, rules and answers as the others.

import { createHash, createHmac, createPublicKey, randomBytes, timingSafeEqual } from "node:crypto";
import Database from "better-sqlite3";
import express from "express";
import jwt from "jsonwebtoken";

const settings = JSON.parse(process.env.CHAYAN_PEER);
const digestKey = Buffer.from(settings.digestKey, "hex");
const registerKey = Buffer.from(settings.registerKey, "hex");

function open(name, synchronous) {
  const database = new Database(`${settings.data}/${name}.db`, { fileMustExist: true, timeout: 5000 });
  database.pragma("journal_mode = WAL");
  database.pragma(`synchronous = ${synchronous}`);
  return database;
}

const cases = open("default", "FULL");
const register = open("register", "FULL");
const attempts = open("attempts", "FULL");
const calls = open("calls", "NORMAL");

const CALLER = cases.prepare(`SELECT accounts.ubn, ap_id, status, host_address, public_key, not_before, not_after,
    calls_per_minute, burst, change_codes, sandbox, revoked_at
  FROM accounts CROSS JOIN certificates ON certificates.ubn = accounts.ubn
  WHERE accounts.ubn = (SELECT ubn FROM accounts WHERE iss_key_digest = @p1
      UNION ALL SELECT ubn FROM accounts WHERE former_iss_key_digest = @p1 AND former_iss_key_until > (SELECT @p2))
    AND (+replaced_at IS NULL OR +replaced_at > (SELECT @p2))`);
const CARD = register.prepare("SELECT card, state, changed FROM id_cards WHERE person = @p1");
const EARLIER = calls.prepare("SELECT token, number, outcome FROM calls WHERE jti = @p1");
const RESERVE = calls.prepare(`INSERT OR IGNORE INTO calls
    (account, number, at, outcome, request, jti, token, person, user_id, took, due, sandbox)
  VALUES (@p1, 1 + coalesce((SELECT number FROM calls WHERE account = (SELECT @p1) ORDER BY number DESC LIMIT 1), 0),
    @p2, CASE WHEN @p3 IS NULL AND EXISTS (SELECT 1 FROM calls WHERE outcome IN ('4', '5')
      AND person = (SELECT @p7) AND at BETWEEN @p13 AND @p13 + 86399999999) THEN '5' ELSE @p3 END,
    @p4, @p5, @p6, @p7, @p8, @p9,
    nullif(coalesce((SELECT CASE WHEN due < @p2 OR due > @p2 + @p12 THEN @p2 + @p11
        WHEN due + @p11 <= @p2 + @p10 THEN due + @p11 ELSE 0 END
      FROM calls WHERE account = (SELECT @p1) ORDER BY number DESC LIMIT 1), @p2 + @p11), 0), 0)
  RETURNING number, outcome`);
const FINISH = calls.prepare(`UPDATE calls SET outcome = @p3, request = @p4, took = @p5
  WHERE account = @p1 AND number = @p2 AND outcome IS NULL`);
const COUNT = attempts.prepare(`INSERT INTO wrong_answers (person, day, wrong, first) VALUES (@p1, @p2, 1, @p3)
  ON CONFLICT (person, day) DO UPDATE SET
    wrong = min(3, wrong + ((@p3 IN (first, second, third)) IS NOT TRUE)),
    second = coalesce(second, nullif(@p3, first)),
    third = CASE WHEN second IS NULL THEN NULL ELSE coalesce(third, nullif(nullif(@p3, first), second)) END
  RETURNING CASE @p3 WHEN first THEN 1 WHEN second THEN 2 WHEN third THEN 3 END AS place`);
const SO_FAR = attempts.prepare("SELECT wrong FROM wrong_answers WHERE person = @p1 AND day = @p2");

/// What is asked in one turn of the event loop runs in one transaction, in the order of asking.
class Turns {
  constructor(database) {
    this.begin = database.prepare("BEGIN IMMEDIATE");
    this.commit = database.prepare("COMMIT");
    this.rollback = database.prepare("ROLLBACK");
    this.waiting = [];
  }

  ask(writes, act) {
    return new Promise((resolve, reject) => {
      if (this.waiting.length === 0) setImmediate(() => this.run());
      this.waiting.push({ writes, act, resolve, reject });
    });
  }

  run() {
    const batch = this.waiting;
    this.waiting = [];
    const writes = batch.some((one) => one.writes);
    try {
      if (writes) this.begin.run();
      const results = batch.map((one) => one.act());
      if (writes) this.commit.run();
      batch.forEach((one, index) => one.resolve(results[index]));
    } catch (error) {
      if (writes) this.rollback.run();
      batch.forEach((one) => one.reject(error));
    }
  }
}

const counting = new Turns(attempts);
const recording = new Turns(calls);

const half = (digest) => digest.subarray(0, 16);

function keyed(key, ...parts) {
  return half(createHmac("sha256", key).update(parts.map((part) => `${part}\0`).join("")).digest());
}

const keys = new Map();

function keyOf(pkcs1) {
  const name = pkcs1.toString("base64");
  let key = keys.get(name);
  if (!key) {
    key = createPublicKey({ key: pkcs1, format: "der", type: "pkcs1" });
    keys.set(name, key);
  }
  return key;
}

const SITES = new Set(["09007", "09020", "10001", "10002", "10003", "10004", "10005", "10006", "10007", "10008",
  "10009", "10010", "10011", "10012", "10013", "10014", "10015", "10016", "10017", "10018", "10020", "63000",
  "64000", "65000", "66000", "67000", "68000"]);
const OLD_SITES = { 10019: "66000", 10021: "67000" };
const MEMBERS = ["personId", "applyCode", "applyYyymmdd", "issueSiteId"];

/// The four conditions, or the name of the first that is not allowed.
function conditions(text) {
  let map;
  try {
    map = JSON.parse(text);
  } catch {
    return "conditionMap";
  }
  if (typeof map !== "object" || map === null || Object.keys(map).length !== 4 || !MEMBERS.every((name) => typeof map[name] === "string")) {
    return "conditionMap";
  }
  const person = map.personId.trim().toUpperCase();
  const code = map.applyCode.trim();
  const date = map.applyYyymmdd.trim();
  let site = map.issueSiteId.trim();
  if (!/^[A-Z][12][0-9]{8}$/.test(person)) return "personId";
  if (!/^[123]$/.test(code)) return "applyCode";
  if (!/^[0-9]{7}$/.test(date)) return "applyYyymmdd";
  const [year, month, day] = [+date.slice(0, 3) + 1911, +date.slice(3, 5), +date.slice(5)];
  const real = new Date(Date.UTC(year, month - 1, day));
  if (year === 1911 || real.getUTCMonth() !== month - 1 || real.getUTCDate() !== day) return "applyYyymmdd";
  if (+date < 991225 && OLD_SITES[site]) site = OLD_SITES[site];
  return SITES.has(site) ? { person, code, date, site } : "issueSiteId";
}

class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

function header(token) {
  const { alg, typ, ...others } = token.header;
  return alg === "RS256" && (typ === undefined || typ === "JWT") && Object.keys(others).length === 0;
}

const TEXTS = ["orgId", "apId", "userId", "iss", "sub", "jobId", "opType", "jti", "conditionMap"];

/// Judges everything about a token that is no lookup.
function admit(claims, caller, source, seconds) {
  if (caller.status === "stopped" || caller.status === "revoked") throw new Refused(401, "no credentials found");
  const agreed = claims.sub === "綠色便民專案" && claims.jobId === "V2C201" && claims.opType === "RW"
    && claims.jti.length >= 1 && claims.jti.length <= 64 && /^[A-Za-z0-9_]{1,12}$/.test(claims.userId);
  if (!agreed) throw new Refused(401, "a claim is not as agreed");
  const { iat, exp, nbf } = claims;
  if (!Number.isInteger(iat) || !Number.isInteger(exp) || exp - iat < 1 || exp - iat > 600) throw new Refused(401, "token lives too long");
  if (iat > seconds + 60 || (nbf !== undefined && nbf > seconds + 60)) throw new Refused(401, "token not valid yet");
  if (exp < seconds - 60) throw new Refused(401, "token expired");
  if (source.replace(/^::ffff:/, "") !== caller.host_address) throw new Refused(403, "address");
  if (caller.status === "suspended") return "8";
  if (caller.revoked_at !== null || seconds < caller.not_before || seconds > caller.not_after) throw new Refused(401, "certificate");
  if (claims.orgId !== caller.ubn || claims.apId !== caller.ap_id) return "RS3811";
  return null;
}

const dayOf = (micros) => Math.floor((Math.floor(micros / 1e6) + 28800) / 86400);

async function lookUp(card, person, token, micros) {
  const digest = keyed(registerKey, "card", card.person, card.code, card.date, card.site);
  const day = dayOf(micros);
  const row = CARD.get({ p1: person });
  const differs = !row || (row.state === 0 && !timingSafeEqual(row.card, digest));
  const count = await counting.ask(differs, () => {
    if (differs) return COUNT.get({ p1: person, p2: day, p3: token })?.place ?? null;
    const wrong = SO_FAR.get({ p1: person, p2: day })?.wrong ?? 0;
    return wrong < 3 ? wrong : null;
  });
  if (count === null) return "5";
  if (differs) return String(count + 1);
  return row.state === 0 ? "1" : String(row.state);
}

async function answer(authorization, source, request) {
  const begun = performance.now();
  const micros = Date.now() * 1000;
  const seconds = Math.floor(micros / 1e6);
  if (!authorization?.startsWith("Bearer ")) throw new Refused(401, "bearer token missing");
  const text = authorization.slice(7);
  const decoded = text.length <= 8192 ? jwt.decode(text, { complete: true }) : null;
  if (!decoded || !header(decoded) || !TEXTS.every((name) => typeof decoded.payload[name] === "string")) throw new Refused(401, "bad token");
  const rows = CALLER.all({ p1: keyed(digestKey, "isskey", decoded.payload.iss), p2: seconds });
  let verified = null;
  for (const row of rows) {
    try {
      const claims = jwt.verify(text, keyOf(row.public_key), { algorithms: ["RS256"], ignoreExpiration: true, ignoreNotBefore: true });
      verified = { row, claims };
      break;
    } catch {
      // Another certificate of the account may fit.
    }
  }
  if (!verified) throw new Refused(401, "no credentials found");
  const { row: caller, claims } = verified;
  let outcome = admit(claims, caller, source, seconds);
  const token = half(createHash("sha256").update(text.slice(0, text.lastIndexOf("."))).digest());
  const jti = half(createHash("sha256").update(`${caller.ap_id}\0${claims.jti}`).digest());
  let [person, card] = [null, null];
  if (outcome === null) {
    card = conditions(claims.conditionMap);
    if (typeof card === "string") outcome = `RS3822 ${card}`;
    else person = keyed(registerKey, "person", card.person);
  }
  const cost = Math.max(Math.floor(60_000_000 / caller.calls_per_minute), 1);
  const tolerance = cost * caller.burst;
  const took = () => Math.round((performance.now() - begun) * 1000);
  const call = {
    p1: caller.ap_id, p2: micros, p3: outcome, p4: request, p5: jti, p6: token, p7: person,
    p8: claims.userId, p9: took(), p10: tolerance, p11: cost, p12: tolerance + cost + 10_000_000,
    p13: (dayOf(micros) * 86400 - 28800) * 1e6,
  };
  let kept = await recording.ask(true, () => RESERVE.get(call));
  if (!kept) {
    kept = EARLIER.get({ p1: jti });
    if (!kept) throw new Refused(429, "rate limit");
    if (!kept.token.equals(token)) throw new Refused(401, "jti was used by another token");
  }
  if (kept.outcome !== null) return kept.outcome;
  outcome ??= await lookUp(card, person, token, micros);
  const finished = { p1: caller.ap_id, p2: kept.number, p3: outcome, p4: request, p5: took() };
  const first = await recording.ask(true, () => FINISH.run(finished).changes);
  return first ? outcome : EARLIER.get({ p1: jti }).outcome;
}

function body(outcome) {
  const [rdCode, rdMessage] = outcome.startsWith("RS3811") ? ["RS3811", "連結機關作業管理資料未建, 請重新輸入"]
    : outcome.startsWith("RS3822") ? ["RS3822", `查詢條件值,不符規定 ${outcome.slice(7)}`] : ["RS7009", "查詢作業完成"];
  const responseData = rdCode === "RS7009" ? { checkIdCardApply: outcome } : {};
  return { httpCode: "200", httpMessage: "OK", rdCode, rdMessage, responseData };
}

const app = express();
app.disable("etag");
app.disable("x-powered-by");
app.get("/integration/rwv2c2", async (request, response) => {
  const id = randomBytes(16);
  response.set({ "x-request-id": id.toString("hex"), "cache-control": "no-store" });
  try {
    response.json(body(await answer(request.get("authorization"), request.socket.remoteAddress, id)));
  } catch (error) {
    const status = error instanceof Refused ? error.status : 503;
    response.status(status).json({ httpCode: String(status), httpMessage: error.message, rdCode: "", rdMessage: "", responseData: {} });
  }
});
const server = app.listen(0, "127.0.0.1", () => console.log(`127.0.0.1:${server.address().port}`));
