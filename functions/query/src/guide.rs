//! 操作文件下載 (figure 28): an integrator's guide with the company's own data and programs
//! that run as they are. `guide/vectors.json` stands in it and is what the tests run.

use domain::RocDateTime;
use html_escape::encode_text;
use jiff::Timestamp;
use serde::Deserialize;
use store::AccountRow;

const TEMPLATE: &str = include_str!("../guide/guide.html");
const VECTORS: &str = include_str!("../guide/vectors.json");
/// Heading, file name and text of each program.
const SAMPLES: [(&str, &str, &str); 7] = [
    ("curl", "verify.sh", include_str!("../guide/verify.sh")),
    ("Python", "verify.py", include_str!("../guide/verify.py")),
    ("Java", "Verify.java", include_str!("../guide/Verify.java")),
    ("C#", "Verify.cs", include_str!("../guide/Verify.cs")),
    ("PHP", "verify.php", include_str!("../guide/verify.php")),
    ("Go", "verify.go", include_str!("../guide/verify.go")),
    ("Node.js", "verify.mjs", include_str!("../guide/verify.mjs")),
];

/// A question and what is answered.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    conditions: [String; 4],
    rd_code: String,
    check_id_card_apply: Option<String>,
    meaning: String,
}

/// The guide of this company, an HTML page that needs nothing else.
///
/// # Errors
/// When the vectors cannot be read.
pub(crate) fn render(
    row: &AccountRow,
    origin: &str,
    now: Timestamp,
) -> Result<String, serde_json::Error> {
    let vectors: Vec<Vector> = serde_json::from_str(VECTORS)?;
    let vectors: String = vectors.iter().map(vector_row).collect();
    let certificate = row.certificate.as_ref().map_or("尚未上傳", |found| &found.serial_number);
    let url = format!("{origin}/integration/rwv2c2");
    let own = |text: &str| {
        text.replace("{{URL}}", &url)
            .replace("{{ORG_ID}}", row.account.ubn.as_str())
            .replace("{{AP_ID}}", &row.ap_id)
    };
    let samples: String = SAMPLES
        .iter()
        .map(|(language, file, text)| {
            let text = own(text);
            format!(
                "<h3>{language}（{file}）</h3>\n<pre data-file=\"{file}\">{}</pre>\n",
                encode_text(&text)
            )
        })
        .collect();
    Ok(own(TEMPLATE)
        .replace("{{MADE_AT}}", &RocDateTime(now).to_string())
        .replace("{{HOST_ADDRESS}}", &row.account.host_address.to_string())
        .replace("{{CERTIFICATE}}", certificate)
        .replace("{{VECTORS}}", &vectors)
        .replace("{{SAMPLES}}", &samples)
        // What somebody typed comes last: nothing in it is filled in.
        .replace("{{COMPANY_NAME}}", &encode_text(&row.account.company_name)))
}

fn vector_row(vector: &Vector) -> String {
    let answer = vector.check_id_card_apply.as_deref().unwrap_or("（無）");
    let cells = vector.conditions.iter().chain([&vector.rd_code]).map(String::as_str);
    let cells: String = cells
        .chain([answer, &vector.meaning])
        .map(|cell| format!("<td>{}</td>", encode_text(cell)))
        .collect();
    format!("<tr>{cells}</tr>\n")
}
