//! The pages as they travel (#5): compressed, kept by browsers as long as they are the
//! same, and light.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use http_tests::TestApp;

/// Largest page with all that it loads, in bytes on the wire.
const MAX_WEIGHT: usize = 100_000;

struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// An answer as it travels: nothing is unpacked.
fn get(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Answer {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let mut request = agent.get(format!("http://{}{path}", app.connect().peer_addr().unwrap()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut answer = request.call().unwrap();
    let text = |(name, value): (&ureq::http::HeaderName, &ureq::http::HeaderValue)| {
        (name.as_str().to_owned(), value.to_str().unwrap().to_owned())
    };
    let headers = answer.headers().iter().map(text).collect();
    let status = answer.status().as_u16();
    Answer { status, headers, body: answer.body_mut().read_to_vec().unwrap() }
}

/// What a text names of the assets.
fn assets(text: &str) -> BTreeSet<String> {
    let found = text.split('"').filter(|part| part.starts_with("/assets/"));
    found.map(str::to_owned).collect()
}

#[test]
fn pages_are_revalidated_and_what_they_load_is_kept() {
    let app = TestApp::start();
    let page = get(&app, "/apply/", &[]);
    assert_eq!((page.status, page.header("cache-control")), (200, "no-cache"));
    assert_eq!(page.header("vary"), "accept-encoding");
    let tag = page.header("etag").to_owned();
    let again = get(&app, "/apply/", &[("if-none-match", &format!("\"other\", {tag}"))]);
    assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, &*tag));
    assert_eq!(get(&app, "/apply/", &[("if-none-match", "\"other\"")]).status, 200);

    let text = String::from_utf8(page.body).unwrap();
    assert!(text.contains("測試環境"), "a test installation says so");
    assert!(assets(&text).len() >= 3, "{text}");
    for path in assets(&text) {
        let asset = get(&app, &path, &[("accept-encoding", "gzip, deflate, br, zstd")]);
        assert_eq!(asset.status, 200, "{path}");
        assert_eq!(asset.header("cache-control"), "public, max-age=31536000, immutable");
    }
    // What is not there may be there tomorrow.
    let missing = get(&app, "/assets/0000000000000000/app.css", &[]);
    assert_eq!((missing.status, missing.header("cache-control")), (404, "no-cache"));
    assert_eq!(get(&app, "/index.html.br", &[]).status, 404);
    assert_eq!(get(&app, "/index.test.html", &[]).status, 404);
    assert_eq!(get(&app, "/assets", &[]).status, 404);
}

#[test]
fn the_coding_is_one_that_the_browser_takes() {
    let app = TestApp::start();
    let coding = |accepted: &str| {
        let answer = get(&app, "/apply/", &[("accept-encoding", accepted)]);
        (answer.header("content-encoding").to_owned(), answer.body)
    };
    let (none, plain) = coding("identity");
    assert_eq!(none, "");
    assert_eq!(coding("br;q=0, gzip;q=0.0").0, "");
    assert_eq!(coding("deflate").0, "");
    let (gzip, packed) = coding("gzip");
    assert_eq!(gzip, "gzip");
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain);
    let (br, packed) = coding("gzip, deflate, br");
    assert_eq!(br, "br");
    let mut unpacked = Vec::new();
    brotli::BrotliDecompress(&mut &packed[..], &mut unpacked).unwrap();
    assert_eq!(unpacked, plain);
}

#[test]
fn every_page_is_light() {
    light(
        &TestApp::start(),
        &[
            "/",
            "/apply/",
            "/query/",
            "/receipt/",
            "/usage/",
            "/review/",
            "/bridge/",
            "/suspend/",
            "/status/",
            "/confirmation/",
            "/my/",
            "/delegate/",
            "/handler/",
        ],
    );
    light(&TestApp::start_with(&["--variable", "edition=108"]), &["/apply/", "/query/"]);
}

/// Pages that differ by the manual are those of this installation's, by whatever address.
#[test]
fn pages_are_of_one_edition() {
    let app = TestApp::start();
    for hidden in ["/108/apply/", "//108/apply/", "/112/apply/", "/108/query/index.html"] {
        assert_eq!(get(&app, hidden, &[]).status, 404, "{hidden}");
    }
    let page = |app: &TestApp| String::from_utf8(get(app, "/apply/", &[]).body).unwrap();
    assert!(page(&app).contains("工商憑證密碼 (PIN CODE)"));
    let app = TestApp::start_with(&["--variable", "edition=108"]);
    let page = page(&app);
    assert!(page.contains("更改連線主機網路位址") && page.contains("憑證密碼 (PIN CODE)"));
}

fn light(app: &TestApp, pages: &[&str]) {
    for &page in pages {
        let mut weight = 0;
        let mut seen = BTreeSet::new();
        let mut waiting = vec![page.to_owned()];
        while let Some(path) = waiting.pop() {
            if !seen.insert(path.clone()) {
                continue;
            }
            let sent = get(app, &path, &[("accept-encoding", "gzip, deflate, br")]);
            weight += sent.body.len();
            let plain = get(app, &path, &[]);
            assert_eq!(plain.status, 200, "{path}");
            waiting.extend(assets(&String::from_utf8_lossy(&plain.body)));
        }
        println!("{page}: {weight} bytes in {} files", seen.len());
        assert!(seen.len() >= 3, "{page} loads nothing");
        assert!(weight < MAX_WEIGHT, "{page}: {weight} bytes");
    }
}
