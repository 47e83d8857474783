// Verify.exe 身分證統一編號 領補換類別 領補換日期 發證地點，例如 Verify.exe A123456789 1 0940105 63000
// 適用 .NET Framework 4.7 以上、.NET 與 Mono。環境變數：ISSKEY、PFX_FILE（憑證與私鑰）、PFX_PASSWORD。
using System;
using System.IO;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.RegularExpressions;

static class Verify
{
    const string Url = "{{URL}}";
    const string OrgId = "{{ORG_ID}}";
    const string ApId = "{{AP_ID}}";

    static string Base64Url(byte[] data)
    {
        return Convert.ToBase64String(data).TrimEnd('=').Replace('+', '-').Replace('/', '_');
    }

    static string Token(string personId, string applyCode, string applyYyymmdd, string issueSiteId)
    {
        string condition = "{\\\"personId\\\":\\\"" + personId + "\\\",\\\"applyCode\\\":\\\"" + applyCode
            + "\\\",\\\"applyYyymmdd\\\":\\\"" + applyYyymmdd + "\\\",\\\"issueSiteId\\\":\\\"" + issueSiteId + "\\\"}";
        long now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        string sent = DateTime.UtcNow.AddHours(8).ToString("yyyy'/'MM'/'dd HH':'mm':'ss");
        string claims = "{\"orgId\":\"" + OrgId + "\",\"apId\":\"" + ApId + "\",\"userId\":\"clerk01\",\"iss\":\""
            + Environment.GetEnvironmentVariable("ISSKEY") + "\",\"sub\":\"綠色便民專案\",\"aud\":\"" + sent
            + "\",\"jobId\":\"V2C201\",\"opType\":\"RW\",\"iat\":" + (now - 180) + ",\"exp\":" + (now + 180)
            + ",\"jti\":\"" + Guid.NewGuid().ToString("N") + "\",\"conditionMap\":\"" + condition + "\"}";
        string signed = Base64Url(Encoding.ASCII.GetBytes("{\"alg\":\"RS256\",\"typ\":\"JWT\"}"))
            + "." + Base64Url(Encoding.UTF8.GetBytes(claims));
        var certificate = new X509Certificate2(
            Environment.GetEnvironmentVariable("PFX_FILE"), Environment.GetEnvironmentVariable("PFX_PASSWORD"));
        using (RSA key = certificate.GetRSAPrivateKey())
        {
            byte[] signature = key.SignData(
                Encoding.ASCII.GetBytes(signed), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
            return signed + "." + Base64Url(signature);
        }
    }

    static void Main(string[] arguments)
    {
        foreach (string argument in arguments)
        {
            if (!Regex.IsMatch(argument, @"^[A-Za-z0-9]+\z")) throw new ArgumentException("條件只能是英文字母與數字");
        }
        var request = (HttpWebRequest)WebRequest.Create(Url);
        request.Timeout = 10000;
        request.Headers["Authorization"] = "Bearer " + Token(arguments[0], arguments[1], arguments[2], arguments[3]);
        request.Headers["sris-consumerAdminId"] = "00000000";
        WebResponse answer;
        try
        {
            answer = request.GetResponse();
        }
        catch (WebException error) when (error.Response != null)
        {
            answer = error.Response;
        }
        using (var reader = new StreamReader(answer.GetResponseStream(), Encoding.UTF8))
        {
            Console.WriteLine(reader.ReadToEnd());
        }
    }
}
