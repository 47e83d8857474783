// Client of the ID-card issue-data verification API (job V2C201), in Go.
//
// Written from the protocol document alone, without sight of any server's source.
// Habits of a known Go client that it keeps:
//   - path without a trailing slash
//   - headers as net/http sends them: Sris-Consumeradminid, Go-http-client/1.1,
//     Accept-Encoding: gzip, no Accept; Content-Type on a body-less GET
//   - the server's certificate is not verified; no time-out of its own
//   - claims in alphabetical order (a map), `sub` in raw UTF-8
//   - aud "YYYY/MM/DD HH:MM:SS.fff" in local time; iat -300 s, exp +300 s
//   - jti is a dashed version-1 UUID; no nbf, no kid
//   - personId as typed; the date left-padded with zeros to 7 digits;
//     userId cut to its first 12 characters
//   - key in PKCS#1 or PKCS#8
//   - httpCode and the rest have to be JSON strings: a member of another type is
//     lost without an error; the body of any status but 200 is thrown away
//
// Usage: client <base-url> <config.json>     (one JSON query per line on stdin)
package main

import (
	"bufio"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"time"
)

const path = "/integration/rwv2c2"

type config struct {
	OrgID   string `json:"orgId"`
	ApID    string `json:"apId"`
	UserID  string `json:"userId"`
	Iss     string `json:"iss"`
	KeyFile string `json:"keyFile"`
}

type condition struct {
	PersonID     string `json:"personId"`
	ApplyCode    string `json:"applyCode"`
	ApplyYyymmdd string `json:"applyYyymmdd"`
	IssueSiteID  string `json:"issueSiteId"`
}

type response struct {
	HTTPCode     string `json:"httpCode"`
	HTTPMessage  string `json:"httpMessage"`
	RdCode       string `json:"rdCode"`
	RdMessage    string `json:"rdMessage"`
	ResponseData struct {
		CheckIDCardApply string `json:"checkIdCardApply"`
	} `json:"responseData"`
}

var httpClient = &http.Client{Transport: &http.Transport{
	TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
}}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// loadKey reads an RSA private key from PEM, PKCS#1 or PKCS#8.
func loadKey(name string) *rsa.PrivateKey {
	data, err := os.ReadFile(name)
	check(err)
	block, _ := pem.Decode(data)
	if block == nil {
		log.Fatal("no PEM block in the key file")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	check(err)
	return key.(*rsa.PrivateKey)
}

// uuid1 makes a time-based UUID with a random node.
func uuid1() string {
	tick := uint64(time.Now().UnixNano()/100) + 0x01B21DD213814000
	var u [16]byte
	_, err := rand.Read(u[8:])
	check(err)
	binary.BigEndian.PutUint32(u[0:], uint32(tick))
	binary.BigEndian.PutUint16(u[4:], uint16(tick>>32))
	binary.BigEndian.PutUint16(u[6:], uint16(tick>>48)&0x0FFF|0x1000)
	u[8] = u[8]&0x3F | 0x80
	u[10] |= 0x01 // multicast bit: not a hardware address
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:])
}

func makeToken(cfg config, key *rsa.PrivateKey, q condition) string {
	if n := len(q.ApplyYyymmdd); n < 7 {
		q.ApplyYyymmdd = strings.Repeat("0", 7-n) + q.ApplyYyymmdd
	}
	user := []rune(cfg.UserID)
	if len(user) > 12 {
		user = user[:12]
	}
	conditionMap, _ := json.Marshal(q)
	now := time.Now()
	claims := map[string]interface{}{
		"orgId":        cfg.OrgID,
		"apId":         cfg.ApID,
		"userId":       string(user),
		"iss":          cfg.Iss,
		"sub":          "綠色便民專案",
		"aud":          now.Format("2006/01/02 15:04:05.000"),
		"jobId":        "V2C201",
		"opType":       "RW",
		"iat":          now.Add(-300 * time.Second).Unix(),
		"exp":          now.Add(300 * time.Second).Unix(),
		"jti":          uuid1(),
		"conditionMap": string(conditionMap),
	}
	b64 := base64.RawURLEncoding
	header, _ := json.Marshal(map[string]string{"alg": "RS256", "typ": "JWT"})
	payload, _ := json.Marshal(claims)
	input := b64.EncodeToString(header) + "." + b64.EncodeToString(payload)
	sum := sha256.Sum256([]byte(input))
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	check(err)
	return input + "." + b64.EncodeToString(sig)
}

// send makes one call; whatever goes wrong leaves the answer empty.
func send(url, token string) (status int, r response) {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	check(err)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("sris-consumerAdminId", "00000000")
	req.Header.Set("Content-Type", "application/json")
	res, err := httpClient.Do(req)
	if err != nil {
		log.Print(err)
		return
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode == http.StatusOK {
		_ = json.Unmarshal(body, &r) // fields of the wrong type stay empty
	}
	return res.StatusCode, r
}

func report(status int, r response) {
	var result interface{} // null unless there is a result
	if r.ResponseData.CheckIDCardApply != "" {
		result = r.ResponseData.CheckIDCardApply
	}
	line, _ := json.Marshal(map[string]interface{}{"status": status,
		"httpCode": r.HTTPCode, "httpMessage": r.HTTPMessage,
		"rdCode": r.RdCode, "rdMessage": r.RdMessage, "check": result})
	fmt.Println(string(line))
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: client <base-url> <config.json>")
	}
	url := strings.TrimRight(os.Args[1], "/") + path
	data, err := os.ReadFile(os.Args[2])
	check(err)
	var cfg config
	check(json.Unmarshal(data, &cfg))
	key := loadKey(cfg.KeyFile)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var q struct {
			condition
			Repeat bool `json:"repeat"`
		}
		check(json.Unmarshal(lines.Bytes(), &q))
		token := makeToken(cfg, key, q.condition)
		report(send(url, token))
		if q.Repeat {
			report(send(url, token))
		}
	}
}
