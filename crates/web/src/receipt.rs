//! The receipt as pages get it: with the code that leads to its check.

use domain::Receipt;
use serde::Serialize;

/// A receipt and the way to its check.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckableReceipt {
    #[serde(flatten)]
    receipt: Receipt,
    /// Where whoever holds the paper checks it.
    check_address: String,
    /// The same as a QR code: a row of `0` and `1` for each line.
    check_code: String,
}

impl CheckableReceipt {
    /// A receipt of the service at this origin.
    pub fn new(receipt: Receipt, origin: &str) -> Self {
        let check_address = format!("{origin}/receipt/#{}", receipt.serial_number);
        Self { receipt, check_code: qr_code(&check_address), check_address }
    }
}

/// A QR code (ISO/IEC 18004, error correction M) for a text: a row of `0` and `1` for each
/// line. Empty when the text is too long for one.
fn qr_code(text: &str) -> String {
    use qrcodegen::{QrCode, QrCodeEcc};
    let Ok(code) = QrCode::encode_text(text, QrCodeEcc::Medium) else { return String::new() };
    let row = |y| -> String {
        (0..code.size()).map(|x| if code.get_module(x, y) { '1' } else { '0' }).collect()
    };
    (0..code.size()).map(row).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_qr_code_is_read_back() {
        let address = "https://chayan.example/receipt/#1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed";
        let code = qr_code(address);
        let rows: Vec<&[u8]> = code.lines().map(str::as_bytes).collect();
        // Four pixels for a module, and the quiet zone.
        let size = (rows.len() + 8) * 4;
        let dark = |x: usize, y: usize| {
            let (x, y) = ((x / 4).checked_sub(4), (y / 4).checked_sub(4));
            let module = y.and_then(|y| rows.get(y)).zip(x).and_then(|(row, x)| row.get(x));
            module == Some(&b'1')
        };
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(size, size, |x, y| {
            if dark(x, y) { 0 } else { 255 }
        });
        let (_, text) = image.detect_grids()[0].decode().unwrap();
        assert_eq!(text, address);
        assert_eq!(qr_code(&"x".repeat(4000)), "");
    }
}
