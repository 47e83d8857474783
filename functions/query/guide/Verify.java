// java Verify.java 身分證統一編號 領補換類別 領補換日期 發證地點，例如 java Verify.java A123456789 1 0940105 63000
// 需要 Java 17 以上。環境變數：ISSKEY、KEY_FILE（憑證的私鑰，PKCS #8 PEM）。
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.Signature;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Duration;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.Base64;
import java.util.UUID;

public class Verify {
    static final String URL = "{{URL}}";
    static final String ORG_ID = "{{ORG_ID}}";
    static final String AP_ID = "{{AP_ID}}";

    static String base64url(byte[] data) {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(data);
    }

    static String base64url(String text) {
        return base64url(text.getBytes(StandardCharsets.UTF_8));
    }

    static String token(String personId, String applyCode, String applyYyymmdd, String issueSiteId) throws Exception {
        String condition = """
            {\\"personId\\":\\"%s\\",\\"applyCode\\":\\"%s\\",\\"applyYyymmdd\\":\\"%s\\",\\"issueSiteId\\":\\"%s\\"}"""
            .formatted(personId, applyCode, applyYyymmdd, issueSiteId);
        long now = System.currentTimeMillis() / 1000;
        String sent = LocalDateTime.now(ZoneId.of("Asia/Taipei")).format(DateTimeFormatter.ofPattern("yyyy/MM/dd HH:mm:ss"));
        String claims = """
            {"orgId":"%s","apId":"%s","userId":"clerk01","iss":"%s","sub":"綠色便民專案","aud":"%s",\
            "jobId":"V2C201","opType":"RW","iat":%d,"exp":%d,"jti":"%s","conditionMap":"%s"}"""
            .formatted(ORG_ID, AP_ID, System.getenv("ISSKEY"), sent, now - 180, now + 180, UUID.randomUUID(), condition);
        String signed = base64url("{\"alg\":\"RS256\",\"typ\":\"JWT\"}") + "." + base64url(claims);
        String pem = Files.readString(Path.of(System.getenv("KEY_FILE"))).replaceAll("-----[^-]+-----|\\s", "");
        Signature signature = Signature.getInstance("SHA256withRSA");
        signature.initSign(KeyFactory.getInstance("RSA").generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(pem))));
        signature.update(signed.getBytes(StandardCharsets.US_ASCII));
        return signed + "." + base64url(signature.sign());
    }

    public static void main(String[] arguments) throws Exception {
        for (String argument : arguments) {
            if (!argument.matches("[A-Za-z0-9]+")) throw new IllegalArgumentException("條件只能是英文字母與數字");
        }
        HttpRequest request = HttpRequest.newBuilder(URI.create(URL))
            .timeout(Duration.ofSeconds(10))
            .header("Authorization", "Bearer " + token(arguments[0], arguments[1], arguments[2], arguments[3]))
            .header("sris-consumerAdminId", "00000000")
            .build();
        System.out.println(HttpClient.newHttpClient().send(request, BodyHandlers.ofString()).body());
    }
}
