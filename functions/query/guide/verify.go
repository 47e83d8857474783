// go run verify.go 身分證統一編號 領補換類別 領補換日期 發證地點，例如 go run verify.go A123456789 1 0940105 63000
// 環境變數：ISSKEY、KEY_FILE（憑證的私鑰，PKCS #8 PEM）。
package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"time"
)

const (
	address = "{{URL}}"
	orgID   = "{{ORG_ID}}"
	apID    = "{{AP_ID}}"
)

func encoded(value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		log.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(data)
}

func token(condition map[string]string) (string, error) {
	conditionMap, err := json.Marshal(condition)
	if err != nil {
		return "", err
	}
	jti := make([]byte, 16)
	if _, err := rand.Read(jti); err != nil {
		return "", err
	}
	now := time.Now()
	signed := encoded(map[string]string{"alg": "RS256", "typ": "JWT"}) + "." + encoded(map[string]any{
		"orgId":        orgID,
		"apId":         apID,
		"userId":       "clerk01",
		"iss":          os.Getenv("ISSKEY"),
		"sub":          "綠色便民專案",
		"aud":          now.Format("2006/01/02 15:04:05"),
		"jobId":        "V2C201",
		"opType":       "RW",
		"iat":          now.Unix() - 180,
		"exp":          now.Unix() + 180,
		"jti":          hex.EncodeToString(jti),
		"conditionMap": string(conditionMap),
	})
	file, err := os.ReadFile(os.Getenv("KEY_FILE"))
	if err != nil {
		return "", err
	}
	block, _ := pem.Decode(file)
	if block == nil {
		return "", fmt.Errorf("KEY_FILE is not PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key.(*rsa.PrivateKey), crypto.SHA256, digest[:])
	if err != nil {
		return "", err
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

func main() {
	jwt, err := token(map[string]string{
		"personId":     os.Args[1],
		"applyCode":    os.Args[2],
		"applyYyymmdd": os.Args[3],
		"issueSiteId":  os.Args[4],
	})
	if err != nil {
		log.Fatal(err)
	}
	request, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+jwt)
	request.Header.Set("sris-consumerAdminId", "00000000")
	client := http.Client{Timeout: 10 * time.Second}
	answer, err := client.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(body))
}
