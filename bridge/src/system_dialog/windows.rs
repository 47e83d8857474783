//! A dialog of Windows with the system's own controls. The system's dialog for credentials
//! (CredUI) shows the first line only of who asks for what, wants a user name, and has
//! words of its own on its buttons.
#![allow(unsafe_code, reason = "the system's dialogs have a C interface")]

use std::ptr::null_mut;

use secrecy::SecretString;
use windows_sys::Win32::Foundation::{HWND, LPARAM, WPARAM};
use windows_sys::Win32::UI::WindowsAndMessaging::{
    BS_DEFPUSHBUTTON, DS_CENTER, DS_SETFONT, DS_SETFOREGROUND, DialogBoxIndirectParamW,
    ES_PASSWORD, EndDialog, GWLP_USERDATA, GetDlgItemTextW, GetWindowLongPtrW, IDCANCEL, IDOK,
    SetDlgItemTextW, SetTimer, SetWindowLongPtrW, WM_COMMAND, WM_INITDIALOG, WM_TIMER, WS_BORDER,
    WS_CAPTION, WS_CHILD, WS_EX_TOPMOST, WS_POPUP, WS_SYSMENU, WS_TABSTOP, WS_VISIBLE,
};
use zeroize::Zeroizing;

use crate::assuan::Refusal;
use crate::dialog::{PATIENCE, wrapped};

/// Longest PIN that the dialog takes, its end included.
const PIN_SIZE: usize = 33;
/// Numbers of the dialog's controls beside the two buttons.
const TEXT: u16 = 100;
const PIN_LABEL: u16 = 101;
const PIN_FIELD: u16 = 102;
/// Classes of controls (DLGITEMTEMPLATE).
const BUTTON: u16 = 0x80;
const EDIT: u16 = 0x81;
const STATIC: u16 = 0x82;
/// Sizes in dialog units.
const WIDTH: u16 = 250;
const MARGIN: u16 = 8;
const LINE: u16 = 10;
const BUTTON_WIDTH: u16 = 60;
const BUTTON_HEIGHT: u16 = 15;
/// Letters that stand in a line; a Chinese character takes the place of two.
const LETTERS: usize = 44;

/// Where a control is.
#[derive(Clone, Copy)]
struct Place {
    x: u16,
    y: u16,
    width: u16,
    height: u16,
}

/// A dialog in memory: DLGTEMPLATE, then a DLGITEMTEMPLATE for each control.
struct Template {
    units: Vec<u16>,
    controls: u16,
}

impl Template {
    /// Where the number of controls stands.
    const CONTROLS: usize = 4;

    fn new(title: &str, height: u16) -> Self {
        let style = (DS_CENTER | DS_SETFONT | DS_SETFOREGROUND) as u32
            | WS_POPUP
            | WS_CAPTION
            | WS_SYSMENU
            | WS_VISIBLE;
        let mut template = Self { units: Vec::new(), controls: 0 };
        template.long(style);
        template.long(WS_EX_TOPMOST);
        // Controls, place and size, no menu, the usual class.
        template.units.extend([0, 0, 0, WIDTH, height, 0, 0]);
        template.text(title);
        template.units.push(9);
        template.text("MS Shell Dlg 2");
        template
    }

    fn long(&mut self, value: u32) {
        let [low, high] = [value & 0xffff, value >> 16];
        self.units.extend([low, high].map(|half| u16::try_from(half).unwrap_or_default()));
    }

    fn text(&mut self, text: &str) {
        self.units.extend(text.encode_utf16().filter(|unit| *unit != 0).chain([0]));
    }

    fn control(&mut self, class: u16, style: u32, number: u16, text: &str, place: Place) {
        if self.units.len() % 2 == 1 {
            self.units.push(0);
        }
        self.long(style | WS_CHILD | WS_VISIBLE);
        self.long(0);
        let Place { x, y, width, height } = place;
        self.units.extend([x, y, width, height, number, 0xffff, class]);
        self.text(text);
        self.units.push(0);
        self.controls += 1;
    }

    /// In memory that is aligned as the system wants it.
    fn finish(mut self) -> Vec<u32> {
        self.units[Self::CONTROLS] = self.controls;
        let pair = |pair: &[u16]| {
            u32::from(pair[0]) | u32::from(pair.get(1).copied().unwrap_or_default()) << 16
        };
        self.units.chunks(2).map(pair).collect()
    }
}

/// Lines of a text that was wrapped.
fn lines(text: &str) -> u16 {
    u16::try_from(text.lines().count()).unwrap_or(u16::MAX).min(40)
}

/// Shows the dialog; what was typed, when the person said yes.
fn show(
    title: &str,
    text: &str,
    yes: &str,
    no: &str,
    pin: bool,
) -> Result<Zeroizing<Vec<u16>>, Refusal> {
    // The system cuts off words that are longer than a line: the end of an origin says
    // whose it is.
    let text = &wrapped(text, LETTERS);
    let inner = WIDTH - 2 * MARGIN;
    let below = MARGIN + lines(text) * LINE + LINE / 2;
    let pin_height = if pin { 2 * LINE } else { 0 };
    let row = below + pin_height;
    let mut template = Template::new(title, row + BUTTON_HEIGHT + MARGIN);
    let place = |x, y, width, height| Place { x, y, width, height };
    // The first control that can have the focus has it: the PIN, or "no".
    if pin {
        let label = place(MARGIN, below + 2, 30, LINE);
        template.control(STATIC, 0, PIN_LABEL, "PIN碼", label);
        let style = WS_TABSTOP | WS_BORDER | ES_PASSWORD as u32;
        let field = place(MARGIN + 34, below, inner - 34, LINE + 3);
        template.control(EDIT, style, PIN_FIELD, "", field);
    }
    let buttons = WIDTH - MARGIN - BUTTON_WIDTH;
    let no_place = place(buttons, row, BUTTON_WIDTH, BUTTON_HEIGHT);
    let yes_place = place(buttons - BUTTON_WIDTH - 6, row, BUTTON_WIDTH, BUTTON_HEIGHT);
    let (default, other) = (WS_TABSTOP | BS_DEFPUSHBUTTON as u32, WS_TABSTOP);
    let (yes_style, no_style) = if pin { (default, other) } else { (other, default) };
    let number = |id: i32| u16::try_from(id).unwrap_or_default();
    if pin {
        template.control(BUTTON, yes_style, number(IDOK), yes, yes_place);
        template.control(BUTTON, no_style, number(IDCANCEL), no, no_place);
    } else {
        template.control(BUTTON, no_style, number(IDCANCEL), no, no_place);
        template.control(BUTTON, yes_style, number(IDOK), yes, yes_place);
    }
    let whole = place(MARGIN, MARGIN, inner, lines(text) * LINE);
    template.control(STATIC, 0, TEXT, &text.replace('&', "&&"), whole);

    let template = template.finish();
    let mut typed = Zeroizing::new(vec![0_u16; PIN_SIZE]);
    // SAFETY: the template is whole and aligned, and lives until the dialog has ended, as
    // does the buffer whose address the procedure gets.
    let answer = unsafe {
        DialogBoxIndirectParamW(
            null_mut(),
            template.as_ptr().cast(),
            null_mut(),
            Some(procedure),
            typed.as_mut_ptr() as LPARAM,
        )
    };
    match answer {
        answer if answer == IDOK as isize => Ok(typed),
        answer if answer == IDCANCEL as isize => Err(Refusal::Cancelled),
        _ => Err(Refusal::Unavailable),
    }
}

/// What the dialog does: it keeps the address of the buffer, ends when its time is over,
/// and hands on what was typed.
unsafe extern "system" fn procedure(
    window: HWND,
    message: u32,
    wparam: WPARAM,
    lparam: LPARAM,
) -> isize {
    let number = i32::try_from(wparam & 0xffff).unwrap_or_default();
    // SAFETY: the window is the dialog's, and the address the one that `show` handed over,
    // of PIN_SIZE units.
    unsafe {
        match message {
            WM_INITDIALOG => {
                SetWindowLongPtrW(window, GWLP_USERDATA, lparam);
                SetTimer(window, 1, u32::from(PATIENCE) * 1000, None);
                return 1;
            }
            WM_TIMER => _ = EndDialog(window, IDCANCEL as isize),
            WM_COMMAND if number == IDOK => {
                let buffer = GetWindowLongPtrW(window, GWLP_USERDATA) as *mut u16;
                let size = i32::try_from(PIN_SIZE).unwrap_or_default();
                GetDlgItemTextW(window, i32::from(PIN_FIELD), buffer, size);
                SetDlgItemTextW(window, i32::from(PIN_FIELD), [0].as_ptr());
                EndDialog(window, IDOK as isize);
            }
            WM_COMMAND if number == IDCANCEL => _ = EndDialog(window, IDCANCEL as isize),
            _ => return 0,
        }
    }
    1
}

pub fn ask(title: &str, text: &str) -> Result<SecretString, Refusal> {
    let pin = show(title, text, "簽章", "取消", true)?;
    let end = pin.iter().position(|unit| *unit == 0).unwrap_or(pin.len());
    let typed = Zeroizing::new(String::from_utf16_lossy(&pin[..end]));
    Ok(SecretString::from(typed.as_str()))
}

pub fn confirm(title: &str, text: &str, yes: &str, no: &str) -> Result<(), Refusal> {
    show(title, text, yes, no, false).map(drop)
}
