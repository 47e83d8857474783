//! The page and the reader bridge in a real browser (#4): pairing, a stranger on the port,
//! the popup, and the browser's permission to reach programs on this computer.

use std::path::Path;
use std::time::{Duration, Instant};

use browser_tests::Desk;
use serde_json::{Value, json};
use test_pki::bridge::{CANCELLED, scripted_pinentry};
use test_pki::demo::COMPANY;

/// A bridge that knows no site, with windows that are answered like this.
fn strange_bridge(desk: &mut Desk, get_pin: &[&str], confirm: &[&str]) {
    let pinentry = scripted_pinentry(&desk.dir, get_pin, confirm).unwrap().display().to_string();
    let cards = desk.dir.join("cards").display().to_string();
    desk.bridge_with(&["--demo-cards", &cards, "--pinentry", &pinentry]).unwrap();
}

async fn sign_in(desk: &Desk) {
    desk.fill("#sign-in-ubn", COMPANY.1).await.unwrap();
    desk.click("#sign-in-form button[type=submit]").await.unwrap();
}

async fn at_sign_in(desk: &Desk) {
    desk.at_sign_in().await.unwrap();
}

fn log(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("pinentry.log")).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn page_and_window_show_the_same_code_and_a_stranger_is_noticed() {
    let mut desk = Desk::start("pairing").await.unwrap();
    strange_bridge(&mut desk, &["D 123456", "OK"], &["OK"]);
    at_sign_in(&desk).await;
    let hold = desk.dir.join("hold");
    std::fs::write(&hold, "").unwrap();
    sign_in(&desk).await;
    let code = desk.text(".pairing-code").await.unwrap();
    desk.shots("pairing").await.unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    while !log(&desk.dir).contains("CONFIRM") {
        assert!(Instant::now() < end);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let said = log(&desk.dir);
    assert!(code.len() == 7 && said.contains(&code), "{code}: {said}");
    assert!(said.contains(&desk.demo.origin));
    std::fs::remove_file(&hold).unwrap();
    desk.text("#kind").await.unwrap();

    // The second time nobody is asked for a code.
    at_sign_in(&desk).await;
    sign_in(&desk).await;
    desk.text("#kind").await.unwrap();
    assert_eq!(log(&desk.dir).matches("CONFIRM").count(), 1);

    // A program with another key on the port: the page asks it nothing.
    let sites = desk.dir.join("bridge-state/sites.json");
    let known: Value = serde_json::from_slice(&std::fs::read(&sites).unwrap()).unwrap();
    desk.stop_bridge();
    std::fs::remove_file(&sites).unwrap();
    strange_bridge(&mut desk, &["D 123456", "OK"], &["OK"]);
    at_sign_in(&desk).await;
    sign_in(&desk).await;
    // It says that it does not know the site, and would agree at once: the page, which was
    // paired, asks it nothing before the person says so.
    let said = desk.text("#imposter").await.unwrap();
    assert!(said.contains("請勿輸入PIN碼"), "{said}");
    assert!(!sites.exists(), "no pairing was begun");
    desk.click("#imposter button[data-value='']").await.unwrap();
    desk.says("#message", "無法確認讀卡元件的身分").await.unwrap();
    sign_in(&desk).await;
    desk.click("#imposter button[data-value=again]").await.unwrap();
    desk.text("#kind").await.unwrap();
    let other: Value = serde_json::from_slice(&std::fs::read(&sites).unwrap()).unwrap();
    assert_ne!(known[&desk.demo.origin]["key"], other[&desk.demo.origin]["key"]);
    // The first bridge's key again: for the page that has paired anew it is a stranger's.
    std::fs::write(&sites, known.to_string()).unwrap();
    at_sign_in(&desk).await;
    let asked = log(&desk.dir).matches("GETPIN").count();
    sign_in(&desk).await;
    let said = desk.text("#imposter").await.unwrap();
    assert!(said.contains("請勿輸入PIN碼"));
    desk.shots("imposter").await.unwrap();
    desk.click("#imposter button[data-value='']").await.unwrap();
    assert!(desk.text("#message").await.unwrap().contains("無法確認讀卡元件的身分"));
    assert_eq!(log(&desk.dir).matches("GETPIN").count(), asked);
    desk.client.clone().close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_pairing_and_a_cancelled_pin_lose_nothing() {
    let mut desk = Desk::start("refusals").await.unwrap();
    strange_bridge(&mut desk, &[CANCELLED], &[CANCELLED]);
    at_sign_in(&desk).await;
    sign_in(&desk).await;
    assert!(desk.text("#message").await.unwrap().contains("讀卡元件未允許本網站"));
    strange_bridge(&mut desk, &[CANCELLED], &["OK"]);
    sign_in(&desk).await;
    assert!(desk.text("#message").await.unwrap().contains("已取消輸入PIN碼"));
    // The page is left while the window is open: the window closes.
    let hold = desk.dir.join("hold");
    std::fs::write(&hold, "").unwrap();
    let asked = log(&desk.dir).matches("GETPIN").count();
    sign_in(&desk).await;
    let end = Instant::now() + Duration::from_secs(10);
    while log(&desk.dir).matches("GETPIN").count() == asked {
        assert!(Instant::now() < end);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let typed =
        desk.client.execute("return document.getElementById('sign-in-ubn').value", vec![]).await;
    assert_eq!(typed.unwrap(), COMPANY.1);
    desk.client.clone().close().await.unwrap();
    std::fs::remove_file(&hold).unwrap();
}

/// Chooses from two company cards in two readers, and is remembered.
#[tokio::test(flavor = "multi_thread")]
async fn of_several_cards_the_person_chooses() {
    let mut desk = Desk::start("chooser").await.unwrap();
    let second = desk.another_company_card("second").unwrap();
    strange_bridge(&mut desk, &["D 123456", "OK"], &["OK"]);
    at_sign_in(&desk).await;
    sign_in(&desk).await;
    let shown = desk.text("#choose-card").await.unwrap();
    assert!(shown.contains("示範讀卡機 company") && shown.contains("示範讀卡機 second"), "{shown}");
    desk.shots("chooser").await.unwrap();
    desk.click(&format!("#choose-card input[value='0:{second}']")).await.unwrap();
    desk.click("#choose-card button[data-value=yes]").await.unwrap();
    desk.text("#kind").await.unwrap();
    assert!(log(&desk.dir).contains("MT00000000000099"));
    at_sign_in(&desk).await;
    sign_in(&desk).await;
    desk.text("#choose-card").await.unwrap();
    let script = "return document.querySelector('#choose-card input:checked').value";
    let chosen = desk.client.execute(script, vec![]).await.unwrap();
    assert_eq!(chosen, format!("0:{second}"));
    desk.click("#choose-card button[data-value='']").await.unwrap();
    assert!(desk.text("#message").await.unwrap().contains("已取消"));
    desk.client.clone().close().await.unwrap();
}

/// Whether the service took the signature. Its cookie is for https and this computer alone,
/// which a site of http with another name cannot keep: the next question is refused.
async fn signed_in(desk: &Desk) -> bool {
    desk.text("#message").await.unwrap().contains("尚未登入或登入已逾時")
}

/// The browser asks, is told to go on, and the page goes on; or it is told not to, and the
/// page shows the way back and the popup.
#[tokio::test(flavor = "multi_thread")]
async fn a_site_of_the_internet_needs_the_browsers_permission() {
    let desk = Desk::start_public("permission").await.unwrap();
    at_sign_in(&desk).await;
    let state = "return (async () => { for (const name of ['loopback-network', 'local-network-access']) { try { return name + ' ' + (await navigator.permissions.query({ name })).state; } catch {} } return 'unknown'; })()";
    let found = desk.client.execute(state, vec![]).await.unwrap();
    eprintln!("the browser says: {found}");
    sign_in(&desk).await;
    let explained = desk.text("#permission").await.unwrap();
    assert!(explained.contains("請按「允許」"));
    desk.shots("permission").await.unwrap();
    desk.click("#permission button[data-value='']").await.unwrap();
    desk.says("#message", "尚未連線至讀卡元件").await.unwrap();
    // Dismissed: nobody can close the browser's question here, so the page sees what it would see
    // then, a question that was not answered and a request that failed.
    let bridge = format!("http://127.0.0.1:{}", desk.bridge_port());
    let dismissed = format!(
        "const own = window.fetch; window.fetch = (url, ...more) => String(url).startsWith('{bridge}') ? Promise.reject(new TypeError('dismissed')) : own(url, ...more);"
    );
    desk.client.execute(&dismissed, vec![]).await.unwrap();
    sign_in(&desk).await;
    desk.click("#permission button[data-value=yes]").await.unwrap();
    assert!(desk.text("#start-bridge").await.unwrap().contains("再試一次"));
    desk.shots("permission-dismissed").await.unwrap();
    desk.click("#start-bridge button[data-value=again]").await.unwrap();
    desk.text("#permission").await.unwrap();
    desk.click("#permission button[data-value='']").await.unwrap();
    at_sign_in(&desk).await;
    // Denied: the way back, and the popup, which needs no permission.
    desk.permit("loopback-network", "denied").await.unwrap();
    sign_in(&desk).await;
    assert!(desk.text("#permission-denied").await.unwrap().contains("網站設定"));
    desk.shots("permission-denied").await.unwrap();
    desk.click("#permission-denied button[data-value=popup]").await.unwrap();
    assert!(signed_in(&desk).await);
    // Granted: no question at all.
    desk.permit("loopback-network", "granted").await.unwrap();
    at_sign_in(&desk).await;
    sign_in(&desk).await;
    assert!(signed_in(&desk).await);
    desk.client.clone().close().await.unwrap();
}

/// A popup that is blocked, closed, or finds nobody.
#[tokio::test(flavor = "multi_thread")]
async fn the_popup_may_fail_in_every_way() {
    let mut desk = Desk::start("popup").await.unwrap();
    desk.stop_bridge();
    at_sign_in(&desk).await;
    // Blocked.
    desk.client.execute("window.open = () => null", vec![]).await.unwrap();
    sign_in(&desk).await;
    desk.click("#start-bridge button[data-value=popup]").await.unwrap();
    assert!(desk.text("#message").await.unwrap().contains("瀏覽器封鎖了"));
    // Nobody there.
    at_sign_in(&desk).await;
    sign_in(&desk).await;
    desk.click("#start-bridge button[data-value=popup]").await.unwrap();
    let said = desk.text("#message").await.unwrap();
    assert!(said.contains("沒有回應"), "{said}");
    // There, and it carries the whole conversation.
    at_sign_in(&desk).await;
    sign_in(&desk).await;
    desk.text("#start-bridge").await.unwrap();
    desk.start_bridge("123456").unwrap();
    desk.click("#start-bridge button[data-value=popup]").await.unwrap();
    desk.text("#kind").await.unwrap();
    // Closed while the bridge's own window is open.
    strange_bridge(&mut desk, &["D 123456", "OK"], &["OK"]);
    desk.stop_bridge();
    at_sign_in(&desk).await;
    sign_in(&desk).await;
    desk.text("#start-bridge").await.unwrap();
    strange_bridge(&mut desk, &["D 123456", "OK"], &["OK"]);
    std::fs::write(desk.dir.join("hold"), "").unwrap();
    desk.click("#start-bridge button[data-value=popup]").await.unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    while !log(&desk.dir).contains("GETPIN") {
        assert!(Instant::now() < end);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let page = desk.client.window().await.unwrap();
    let windows = desk.client.windows().await.unwrap();
    let popup = windows.into_iter().find(|window| *window != page).unwrap();
    desk.client.switch_to_window(popup).await.unwrap();
    let shown = desk.page_text().await.unwrap();
    assert!(shown.contains(&desk.demo.origin), "{shown}");
    desk.shots("popup").await.unwrap();
    desk.client.close_window().await.unwrap();
    desk.client.switch_to_window(page).await.unwrap();
    assert!(desk.text("#message").await.unwrap().contains("讀卡元件的視窗已關閉"));
    std::fs::remove_file(desk.dir.join("hold")).unwrap();
    desk.client.clone().close().await.unwrap();
}

/// Where the bridge can open no window, the person types the PIN in its popup, not in the page.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_desktop_the_bridges_popup_asks_for_the_pin() {
    let mut desk = Desk::start("no-window").await.unwrap();
    let cards = desk.dir.join("cards").display().to_string();
    let origin = desk.demo.origin.clone();
    // Nobody could compare the codes: the page says so, and offers no popup for it.
    desk.bridge_with(&["--demo-cards", &cards, "--pinentry", "no-such-pinentry"]).unwrap();
    at_sign_in(&desk).await;
    sign_in(&desk).await;
    desk.says("#message", "無法顯示配對視窗").await.unwrap();
    let nowhere = ["--pinentry", "no-such-pinentry", "--allow-origin", &origin];
    desk.bridge_with(&[&["--demo-cards", &cards][..], &nowhere].concat()).unwrap();
    let page = desk.client.window().await.unwrap();
    // Loaded anew, the page takes its popup along: nobody types a PIN that is not waited for, and
    // the bridge is free.
    at_sign_in(&desk).await;
    sign_in(&desk).await;
    desk.click("#no-window button[data-value=popup]").await.unwrap();
    desk.to_popup().await.unwrap();
    desk.text("#question").await.unwrap();
    desk.client.switch_to_window(page.clone()).await.unwrap();
    desk.client.refresh().await.unwrap();
    for _ in 0..100 {
        if desk.client.windows().await.unwrap().len() == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(desk.client.windows().await.unwrap().len(), 1, "the popup stayed");
    for (pin, shots) in [("999999", Some("popup-pin")), ("123456", None)] {
        at_sign_in(&desk).await;
        sign_in(&desk).await;
        assert!(desk.text("#no-window").await.unwrap().contains("PIN碼不會經過本網站"));
        desk.shots("no-window").await.unwrap();
        desk.click("#no-window button[data-value=popup]").await.unwrap();
        desk.to_popup().await.unwrap();
        let shown = desk.text("#question").await.unwrap();
        assert!(shown.contains(&origin) && shown.contains(COMPANY.0), "{shown}");
        if let Some(name) = shots {
            desk.shots(name).await.unwrap();
        }
        desk.fill("#pin", pin).await.unwrap();
        tokio::time::sleep(Duration::from_millis(700)).await;
        desk.click("#yes").await.unwrap();
        desk.client.switch_to_window(page.clone()).await.unwrap();
        if shots.is_some() {
            let said = desk.text("#message").await.unwrap();
            assert!(said.contains("PIN碼錯誤（剩餘次數：2）"), "{said}");
        }
    }
    desk.text("#kind").await.unwrap();
    desk.client.clone().close().await.unwrap();
}

/// The bridge's own page goes through every part and names the first that is wrong.
#[tokio::test(flavor = "multi_thread")]
async fn the_self_test_names_what_is_wrong_and_what_to_do() {
    let mut desk = Desk::start("self-test").await.unwrap();
    let own = format!("http://127.0.0.1:{}/v1/self-test", desk.bridge_port());
    desk.client.goto(&own).await.unwrap();
    desk.text("li[data-state]").await.unwrap();
    let all = desk.page_text().await.unwrap();
    assert!(all.contains("一切正常") && all.contains("測試甲股份有限公司"), "{all}");
    desk.shots("good").await.unwrap();
    for card in ["company", "officer"] {
        desk.cards.set_inserted(card, false).unwrap();
    }
    desk.client.goto(&own).await.unwrap();
    desk.text("li[data-state=bad]").await.unwrap();
    let all = desk.page_text().await.unwrap();
    assert!(all.contains("請插入憑證IC卡。") && all.contains("Insert the card."), "{all}");
    desk.shots("no-card").await.unwrap();
    // Without any reader service.
    desk.bridge_with(&[]).unwrap();
    desk.client.goto(&own).await.unwrap();
    desk.text("li[data-state=bad]").await.unwrap();
    let all = desk.page_text().await.unwrap();
    assert!(all.contains("找不到HiCOS卡片管理工具"), "{all}");
    desk.shots("nothing").await.unwrap();
    desk.client.clone().close().await.unwrap();
}

/// Whatever the bridge may find, the page names the cause and the next step, in Chinese and in
/// English. What it finds is found by real parts in the tests of the bridge; here it is told.
#[tokio::test(flavor = "multi_thread")]
async fn the_self_test_has_words_for_every_failure() {
    let desk = Desk::start("self-test-words").await.unwrap();
    desk.client
        .goto(&format!("http://127.0.0.1:{}/v1/self-test", desk.bridge_port()))
        .await
        .unwrap();
    desk.text("li[data-state]").await.unwrap();
    let now = jiff::Timestamp::now();
    let good = json!({
        "version": "1.0", "system": "linux x86_64", "at": now, "windows": true,
        "modules": ["/usr/lib/libHicos_p11v1.so"], "vendorModule": true, "troubles": [],
        "readers": [{"name": "Reader 0", "state": "card"}],
        "cards": [{
            "reader": "Reader 0", "kind": "organisation", "holder": "測試機關",
            "notBefore": "2020-01-01T00:00:00Z", "notAfter": "2099-01-01T00:00:00Z",
        }],
    });
    let with = |changes: Value| {
        let mut report = good.clone();
        for (name, value) in changes.as_object().unwrap() {
            report[name] = value.clone();
        }
        report
    };
    let state =
        |state: &str| with(json!({"cards": [], "readers": [{"name": "Reader 0", "state": state}]}));
    let trouble = |code: &str| with(json!({"cards": [], "troubles": [code]}));
    let card = |name: &str, value: Value| {
        let mut report = good.clone();
        report["cards"][0][name] = value;
        report
    };
    let cases = [
        (good.clone(), "一切正常", "機關、團體憑證", "All is well"),
        (
            with(json!({"windows": false})),
            "無法開啟PIN碼視窗",
            "Linux請安裝pinentry",
            "No window can be opened",
        ),
        (
            with(json!({"at": "2020-01-01T00:00:00Z"})),
            "電腦時間 Clock",
            "自動對時",
            "automatic time",
        ),
        (trouble("module-failed"), "驅動程式 Driver", "重新安裝HiCOS", "install HiCOS again"),
        (
            with(
                json!({"vendorModule": false, "cards": [], "readers": [{"name": "Reader 0", "state": "empty"}]}),
            ),
            "驅動程式 Driver",
            "下載安裝",
            "HiCOS was not found",
        ),
        (
            trouble("no-reader-service"),
            "讀卡機服務 Reader service",
            "Smart Card",
            "start the service",
        ),
        (trouble("reader-denied"), "讀卡機服務 Reader service", "polkit", "does not let you use"),
        (
            with(json!({"cards": [], "readers": []})),
            "讀卡機 Reader",
            "插上讀卡機",
            "another socket",
        ),
        (state("empty"), "卡片 Card", "請插入憑證IC卡", "Insert the card"),
        (state("mute"), "卡片 Card", "晶片朝上", "chip up"),
        (state("in-use"), "卡片 Card", "關閉其他使用卡片的程式", "Another program"),
        (state("unknown"), "卡片 Card", "健保卡、金融卡、悠遊卡", "Not a card that can sign here"),
        (state("needs-driver"), "卡片 Card", "（或更新）HiCOS", "install or update HiCOS"),
        (trouble("card-mute"), "卡片 Card", "晶片朝上", "The card is mute"),
        (trouble("card-in-use"), "卡片 Card", "關閉其他使用卡片的程式", "close it"),
        (trouble("card-removed"), "卡片 Card", "被取出", "taken out"),
        (trouble("timed-out"), "卡片 Card", "換一個讀卡機", "does not answer"),
        (trouble("failed"), "卡片 Card", "重新啟動讀卡元件", "restart the bridge"),
        (card("triesLeft", json!(0)), "卡片 Card", "用戶代碼辦理解鎖", "unlock it"),
        (card("triesLeft", json!(1)), "只剩最後1次機會", "請勿再試", "One PIN try is left"),
        (card("notAfter", json!("2021-01-01T00:00:00Z")), "有效期限 Expiry", "過期", "Expired"),
        (
            card("notBefore", json!("2098-01-01T00:00:00Z")),
            "有效期限 Expiry",
            "才有效",
            "Not valid yet",
        ),
    ];
    for (number, (report, summary, chinese, english)) in cases.into_iter().enumerate() {
        let script = format!(
            "window.fetch = async () => ({{ json: async () => ({report}) }});
            document.getElementById('summary').textContent = '';
            document.getElementById('again').click();"
        );
        desk.client.execute(&script, vec![]).await.unwrap();
        desk.says("#summary", summary).await.unwrap();
        let all = desk.page_text().await.unwrap();
        assert!(all.contains(chinese) && all.contains(english), "{summary}: {all}");
        assert!(!all.contains("undefined") && !all.contains("Invalid"), "{all}");
        let untold = "return [...document.querySelectorAll('#steps li')].filter((step) => !step.querySelector('[lang=en]')?.textContent).length";
        assert_eq!(desk.client.execute(untold, vec![]).await.unwrap(), 0);
        if [5, 12, 18].contains(&number) {
            desk.shots(&format!("failure-{number}")).await.unwrap();
        }
    }
    desk.client.clone().close().await.unwrap();
}

/// A name of somebody else's that was rebound to this computer: a page of that name, on the
/// bridge's own port, asks a hundred times.
#[tokio::test(flavor = "multi_thread")]
async fn a_rebound_name_gets_no_answer() {
    let desk = Desk::start_public("rebinding").await.unwrap();
    let port = desk.bridge_port();
    desk.client.goto(&format!("http://chayan.test:{port}/v1/status")).await.unwrap();
    let shown = desk.page_text().await.unwrap();
    assert!(shown.contains("origin-refused"), "{shown}");
    let script = "return (async () => {
        let answered = 0;
        for (let count = 0; count < 100; count += 1) {
            const post = count % 2 ? { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } } : {};
            const path = ['/v1/status', '/v1/cards', '/v1/popup', '/v1/sign', '/v1/self-test'][count % 5];
            const response = await fetch(path, post).catch(() => null);
            if (response && response.status !== 403) answered += 1;
        }
        return `${location.host} ${answered}`;
    })()";
    let found = desk.client.execute(script, vec![]).await.unwrap();
    assert_eq!(found, format!("chayan.test:{port} 0"));
    desk.client.clone().close().await.unwrap();
}
