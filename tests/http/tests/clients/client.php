<?php
/**
 * Client of the ID-card issue-data verification API (job V2C201), in PHP.
 *
 * Written from the protocol document alone, without sight of any server's source.
 * Habits of a known PHP client that it keeps:
 *   - the path ends in a slash; redirects are not followed
 *   - GET by curl: no User-Agent at all, Accept: * / *, Content-Type on a body-less GET
 *   - 10 s total time-out; the server's certificate is not verified
 *   - JWT put together by hand (openssl_sign, PKCS#8 key), header with typ first;
 *     `sub` escaped as \uXXXX, and slashes as \/, by json_encode
 *   - aud "YYYY/MM/DD HH:MM:SS" in the process's local time; iat -180 s, exp +180 s
 *   - jti is an md5 in hex; no nbf, no kid
 *   - conditionMap is laid out by hand: newlines, tabs and blanks inside and around it
 *   - userId has an underscore and runs on with each call (name_001 ... name_999);
 *     a configured userId that has an underscore already is sent as it is
 *   - personId as typed; a 6-digit date gets a leading zero
 *   - lenient reading: the body is read whatever the status, nothing has to be there,
 *     no types are enforced
 *
 * Usage: php client.php <base-url> <config.json>     (one JSON query per line on stdin)
 */

const API_PATH = '/integration/rwv2c2/';

class IdCardApi
{
    private $url;
    private $config;
    private $key;
    private $serial = 0;

    public function __construct($baseUrl, array $config)
    {
        $this->url = rtrim($baseUrl, '/') . API_PATH;
        $this->config = $config;
        $this->key = openssl_pkey_get_private(file_get_contents($config['keyFile']));
        if ($this->key === false) {
            throw new RuntimeException('cannot read the private key: ' . openssl_error_string());
        }
    }

    /** The signed token for one query. */
    public function makeToken(array $query)
    {
        $now = time();
        $payload = [
            'orgId'        => $this->config['orgId'],
            'apId'         => $this->config['apId'],
            'userId'       => $this->nextUserId(),
            'iss'          => $this->config['iss'],
            'sub'          => '綠色便民專案',
            'aud'          => date('Y/m/d H:i:s', $now),
            'jobId'        => 'V2C201',
            'opType'       => 'RW',
            'iat'          => $now - 180,
            'exp'          => $now + 180,
            'jti'          => md5(uniqid((string) mt_rand(), true)),
            'conditionMap' => $this->conditionMap($query),
        ];
        $input = self::base64Url(json_encode(['typ' => 'JWT', 'alg' => 'RS256']))
            . '.' . self::base64Url(json_encode($payload));
        if (!openssl_sign($input, $signature, $this->key, OPENSSL_ALGO_SHA256)) {
            throw new RuntimeException('cannot sign: ' . openssl_error_string());
        }
        return $input . '.' . self::base64Url($signature);
    }

    /** One GET with that token. */
    public function send($token)
    {
        $curl = curl_init();
        curl_setopt_array($curl, [
            CURLOPT_URL            => $this->url,
            CURLOPT_CUSTOMREQUEST  => 'GET',
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_TIMEOUT        => 10,
            CURLOPT_SSL_VERIFYPEER => false,
            CURLOPT_SSL_VERIFYHOST => 0,
            CURLOPT_HTTPHEADER     => [
                'Content-Type: application/json',
                'Authorization: Bearer ' . $token,
                'sris-consumerAdminId: 00000000',
            ],
        ]);
        $body = curl_exec($curl);
        $status = curl_getinfo($curl, CURLINFO_RESPONSE_CODE);
        if ($body === false) {
            fwrite(STDERR, 'curl: ' . curl_error($curl) . PHP_EOL);
        }
        curl_close($curl);

        $answer = json_decode((string) $body, true);
        return [
            'status'      => $status,
            'httpCode'    => $answer['httpCode'] ?? null,
            'httpMessage' => $answer['httpMessage'] ?? null,
            'rdCode'      => $answer['rdCode'] ?? null,
            'rdMessage'   => $answer['rdMessage'] ?? null,
            'check'       => $answer['responseData']['checkIdCardApply'] ?? null,
        ];
    }

    /** JSON text with the layout it has in the source, as it came from a manual. */
    private function conditionMap(array $query)
    {
        $date = (string) ($query['applyYyymmdd'] ?? '');
        if (strlen($date) === 6) {
            $date = '0' . $date;
        }
        $fields = [
            'personId'     => $query['personId'] ?? '',
            'applyCode'    => $query['applyCode'] ?? '',
            'applyYyymmdd' => $date,
            'issueSiteId'  => $query['issueSiteId'] ?? '',
        ];
        $lines = [];
        foreach ($fields as $name => $value) {
            $lines[] = "\t\t    \"" . $name . '" : ' . json_encode((string) $value);
        }
        return " {\n" . implode(",\n", $lines) . "\n\t\t}  \n";
    }

    /** At most 12 characters: up to 8 of the name, an underscore, 001 to 999. */
    private function nextUserId()
    {
        $name = $this->config['userId'] ?? '';
        if (strpos($name, '_') !== false) {
            return $name;
        }
        $this->serial = $this->serial % 999 + 1;
        return substr($name, 0, 8) . sprintf('_%03d', $this->serial);
    }

    private static function base64Url($data)
    {
        return rtrim(strtr(base64_encode($data), '+/', '-_'), '=');
    }
}

if ($argc !== 3) {
    fwrite(STDERR, "usage: php client.php <base-url> <config.json>\n");
    exit(2);
}
$config = json_decode((string) file_get_contents($argv[2]), true);
if (!is_array($config)) {
    fwrite(STDERR, "cannot read the configuration\n");
    exit(2);
}
$api = new IdCardApi($argv[1], $config);

while (($line = fgets(STDIN)) !== false) {
    $query = json_decode($line, true);
    if (!is_array($query)) {
        continue;
    }
    $token = $api->makeToken($query);
    $times = empty($query['repeat']) ? 1 : 2;
    for ($i = 0; $i < $times; $i++) {
        echo json_encode($api->send($token), JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES), "\n";
    }
}
