# python3 verify.py 身分證統一編號 領補換類別 領補換日期 發證地點，例如 python3 verify.py A123456789 1 0940105 63000
# 需要 Python 3.8 以上與 cryptography（pip install cryptography）。
# 環境變數：ISSKEY、KEY_FILE（憑證的私鑰，PEM）。
import base64
import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

URL = "{{URL}}"
ORG_ID = "{{ORG_ID}}"
AP_ID = "{{AP_ID}}"


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(person_id: str, apply_code: str, apply_yyymmdd: str, issue_site_id: str) -> str:
    now = int(time.time())
    condition = {
        "personId": person_id,
        "applyCode": apply_code,
        "applyYyymmdd": apply_yyymmdd,
        "issueSiteId": issue_site_id,
    }
    claims = {
        "orgId": ORG_ID,
        "apId": AP_ID,
        "userId": "clerk01",
        "iss": os.environ["ISSKEY"],
        "sub": "綠色便民專案",
        "aud": time.strftime("%Y/%m/%d %H:%M:%S"),
        "jobId": "V2C201",
        "opType": "RW",
        "iat": now - 180,
        "exp": now + 180,
        "jti": uuid.uuid4().hex,
        "conditionMap": json.dumps(condition),
    }
    parts = [{"alg": "RS256", "typ": "JWT"}, claims]
    signed = ".".join(base64url(json.dumps(part).encode()) for part in parts)
    with open(os.environ["KEY_FILE"], "rb") as file:
        key = serialization.load_pem_private_key(file.read(), None)
    signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{base64url(signature)}"


request = urllib.request.Request(
    URL,
    headers={
        "Authorization": "Bearer " + token(*sys.argv[1:5]),
        "sris-consumerAdminId": "00000000",
    },
)
try:
    with urllib.request.urlopen(request, timeout=10) as answer:
        print(answer.read().decode())
except urllib.error.HTTPError as error:
    print(error.read().decode())
