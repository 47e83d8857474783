// node verify.mjs 身分證統一編號 領補換類別 領補換日期 發證地點，例如 node verify.mjs A123456789 1 0940105 63000
// 需要 Node.js 18 以上。環境變數：ISSKEY、KEY_FILE（憑證的私鑰，PEM）。
import { randomUUID, sign } from "node:crypto";
import { readFileSync } from "node:fs";

const URL = "{{URL}}";
const ORG_ID = "{{ORG_ID}}";
const AP_ID = "{{AP_ID}}";

const encoded = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

function token(personId, applyCode, applyYyymmdd, issueSiteId) {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    orgId: ORG_ID,
    apId: AP_ID,
    userId: "clerk01",
    iss: process.env.ISSKEY,
    sub: "綠色便民專案",
    aud: new Date().toLocaleString("sv-SE", { timeZone: "Asia/Taipei" }).replaceAll("-", "/"),
    jobId: "V2C201",
    opType: "RW",
    iat: now - 180,
    exp: now + 180,
    jti: randomUUID(),
    conditionMap: JSON.stringify({ personId, applyCode, applyYyymmdd, issueSiteId }),
  };
  const signed = `${encoded({ alg: "RS256", typ: "JWT" })}.${encoded(claims)}`;
  const signature = sign("sha256", Buffer.from(signed), readFileSync(process.env.KEY_FILE, "utf8"));
  return `${signed}.${signature.toString("base64url")}`;
}

const answer = await fetch(URL, {
  headers: { authorization: `Bearer ${token(...process.argv.slice(2, 6))}`, "sris-consumerAdminId": "00000000" },
  signal: AbortSignal.timeout(10_000),
});
console.log(await answer.text());
