<?php
// php verify.php 身分證統一編號 領補換類別 領補換日期 發證地點，例如 php verify.php A123456789 1 0940105 63000
// 需要 PHP 8 與 openssl。環境變數：ISSKEY、KEY_FILE（憑證的私鑰，PEM）。
const URL = '{{URL}}';
const ORG_ID = '{{ORG_ID}}';
const AP_ID = '{{AP_ID}}';

function base64url(string $data): string
{
    return rtrim(strtr(base64_encode($data), '+/', '-_'), '=');
}

function token(string $personId, string $applyCode, string $applyYyymmdd, string $issueSiteId): string
{
    $now = time();
    $claims = [
        'orgId' => ORG_ID,
        'apId' => AP_ID,
        'userId' => 'clerk01',
        'iss' => getenv('ISSKEY'),
        'sub' => '綠色便民專案',
        'aud' => date('Y/m/d H:i:s'),
        'jobId' => 'V2C201',
        'opType' => 'RW',
        'iat' => $now - 180,
        'exp' => $now + 180,
        'jti' => bin2hex(random_bytes(16)),
        'conditionMap' => json_encode([
            'personId' => $personId,
            'applyCode' => $applyCode,
            'applyYyymmdd' => $applyYyymmdd,
            'issueSiteId' => $issueSiteId,
        ]),
    ];
    $signed = base64url(json_encode(['alg' => 'RS256', 'typ' => 'JWT'])) . '.' . base64url(json_encode($claims));
    $key = openssl_pkey_get_private(file_get_contents(getenv('KEY_FILE')));
    openssl_sign($signed, $signature, $key, OPENSSL_ALGO_SHA256);
    return $signed . '.' . base64url($signature);
}

$headers = ['Authorization: Bearer ' . token($argv[1], $argv[2], $argv[3], $argv[4]), 'sris-consumerAdminId: 00000000'];
$context = stream_context_create(['http' => ['header' => $headers, 'timeout' => 10, 'ignore_errors' => true]]);
echo file_get_contents(URL, false, $context), "\n";
