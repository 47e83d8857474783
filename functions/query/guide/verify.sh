#!/usr/bin/env bash
# bash verify.sh 身分證統一編號 領補換類別 領補換日期 發證地點，例如 bash verify.sh A123456789 1 0940105 63000
# 需要 openssl 與 curl。環境變數：ISSKEY、KEY_FILE（憑證的私鑰，PEM）。
set -euo pipefail
url='{{URL}}'
org_id='{{ORG_ID}}'
ap_id='{{AP_ID}}'
[[ "$1$2$3$4" =~ ^[A-Za-z0-9]+$ ]] || { echo '條件只能是英文字母與數字' >&2; exit 2; }
base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
now=$(date +%s)
condition="{\\\"personId\\\":\\\"$1\\\",\\\"applyCode\\\":\\\"$2\\\",\\\"applyYyymmdd\\\":\\\"$3\\\",\\\"issueSiteId\\\":\\\"$4\\\"}"
claims="{\"orgId\":\"$org_id\",\"apId\":\"$ap_id\",\"userId\":\"clerk01\",\"iss\":\"$ISSKEY\",\"sub\":\"綠色便民專案\",\"aud\":\"$(date '+%Y/%m/%d %H:%M:%S')\",\"jobId\":\"V2C201\",\"opType\":\"RW\",\"iat\":$((now - 180)),\"exp\":$((now + 180)),\"jti\":\"$(openssl rand -hex 16)\",\"conditionMap\":\"$condition\"}"
signed="$(printf '%s' '{"alg":"RS256","typ":"JWT"}' | base64url).$(printf '%s' "$claims" | base64url)"
signature=$(printf '%s' "$signed" | openssl dgst -sha256 -sign "$KEY_FILE" | base64url)
# 權杖由標準輸入交給 curl，不出現在程序清單。
printf 'header = "Authorization: Bearer %s"\n' "$signed.$signature" |
  curl --silent --show-error --max-time 10 --config - --header 'sris-consumerAdminId: 00000000' "$url"
echo
