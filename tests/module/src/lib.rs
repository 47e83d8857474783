//! A PKCS#11 module that does what a test tells it, in place of the vendor's, which cannot
//! be had here. `CHAYAN_STUB` is a list, by commas, of `function=behaviour`: a return value
//! in hexadecimal, `hang`, `crash` or `noise`; or of a word: `final-try`, `locked`,
//! `pin-pad`, `uninitialised`. Each call is written to the file `CHAYAN_STUB_LOG`. The
//! certificate is the file `CHAYAN_STUB_CERTIFICATE`; signatures are zeros.
#![allow(non_snake_case, reason = "the standard's names")]
#![allow(clippy::missing_safety_doc, reason = "the standard says what pointers must be")]

use std::io::Write;
use std::ptr::copy_nonoverlapping;
use std::sync::Mutex;

use cryptoki_sys::*;

const CERTIFICATE: CK_OBJECT_HANDLE = 1;
const PRIVATE_KEY: CK_OBJECT_HANDLE = 2;
const ID: &[u8] = b"SIGN";

/// Objects of the search that has begun.
static FOUND: Mutex<Vec<CK_OBJECT_HANDLE>> = Mutex::new(Vec::new());

fn script() -> String {
    std::env::var("CHAYAN_STUB").unwrap_or_default()
}

fn has(word: &str) -> bool {
    script().split(',').any(|part| part == word)
}

/// What the script says of a function.
fn scripted(function: &str) -> CK_RV {
    if let Some(path) = std::env::var_os("CHAYAN_STUB_LOG")
        && let Ok(mut log) = std::fs::OpenOptions::new().append(true).create(true).open(path)
    {
        let _ = writeln!(log, "{function}");
    }
    let script = script();
    let behaviour =
        script.split(',').find_map(|part| part.strip_prefix(function)?.strip_prefix('='));
    match behaviour {
        Some("hang") => loop {
            std::thread::park();
        },
        Some("crash") => std::process::abort(),
        Some("noise") => {
            print!("{{\"found\":");
            let _ = std::io::stdout().flush();
            CKR_OK
        }
        Some(value) => {
            CK_RV::from_str_radix(value.trim_start_matches("0x"), 16).unwrap_or(CKR_GENERAL_ERROR)
        }
        None => CKR_OK,
    }
}

fn padded<const N: usize>(text: &str) -> [u8; N] {
    let mut bytes = [b' '; N];
    bytes[..text.len()].copy_from_slice(text.as_bytes());
    bytes
}

unsafe extern "C" fn initialize(_: CK_VOID_PTR) -> CK_RV {
    scripted("initialize")
}

unsafe extern "C" fn finalize(_: CK_VOID_PTR) -> CK_RV {
    CKR_OK
}

unsafe extern "C" fn get_info(_: CK_INFO_PTR) -> CK_RV {
    CKR_OK
}

unsafe extern "C" fn get_slot_list(
    _: CK_BBOOL,
    list: CK_SLOT_ID_PTR,
    count: CK_ULONG_PTR,
) -> CK_RV {
    unsafe {
        if !list.is_null() {
            *list = 0;
        }
        *count = 1;
    }
    scripted("slots")
}

unsafe extern "C" fn get_slot_info(_: CK_SLOT_ID, info: CK_SLOT_INFO_PTR) -> CK_RV {
    unsafe {
        (*info).slotDescription = padded("Stub Reader 0");
        (*info).manufacturerID = padded("test");
        (*info).flags = CKF_TOKEN_PRESENT | CKF_REMOVABLE_DEVICE;
    }
    CKR_OK
}

unsafe extern "C" fn get_token_info(_: CK_SLOT_ID, info: CK_TOKEN_INFO_PTR) -> CK_RV {
    let flags = [
        ("final-try", CKF_USER_PIN_FINAL_TRY),
        ("locked", CKF_USER_PIN_LOCKED),
        ("pin-pad", CKF_PROTECTED_AUTHENTICATION_PATH),
    ];
    let set = flags.iter().filter(|(word, _)| has(word)).fold(0, |all, (_, flag)| all | flag);
    let initialised = if has("uninitialised") { 0 } else { CKF_TOKEN_INITIALIZED };
    unsafe {
        (*info).label = padded("HiCOS PKI Smart Card");
        (*info).manufacturerID = padded("test");
        (*info).model = padded("T7S");
        (*info).serialNumber = padded("MT00000000000077");
        (*info).flags = CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED | initialised | set;
        (*info).utcTime = padded("");
    }
    scripted("token")
}

unsafe extern "C" fn open_session(
    _: CK_SLOT_ID,
    _: CK_FLAGS,
    _: CK_VOID_PTR,
    _: CK_NOTIFY,
    session: CK_SESSION_HANDLE_PTR,
) -> CK_RV {
    unsafe { *session = 1 };
    scripted("session")
}

unsafe extern "C" fn close_session(_: CK_SESSION_HANDLE) -> CK_RV {
    CKR_OK
}

unsafe extern "C" fn login(
    _: CK_SESSION_HANDLE,
    _: CK_USER_TYPE,
    pin: CK_UTF8CHAR_PTR,
    _: CK_ULONG,
) -> CK_RV {
    if has("pin-pad") != pin.is_null() {
        return CKR_ARGUMENTS_BAD;
    }
    scripted("login")
}

unsafe extern "C" fn logout(_: CK_SESSION_HANDLE) -> CK_RV {
    CKR_OK
}

unsafe extern "C" fn find_objects_init(
    _: CK_SESSION_HANDLE,
    template: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
) -> CK_RV {
    let mut wanted = CERTIFICATE;
    for place in 0..count as usize {
        unsafe {
            let attribute = &*template.add(place);
            if attribute.type_ == CKA_CLASS
                && *attribute.pValue.cast::<CK_OBJECT_CLASS>() == CKO_PRIVATE_KEY
            {
                wanted = PRIVATE_KEY;
            }
        }
    }
    if let Ok(mut found) = FOUND.lock() {
        *found = vec![wanted];
    }
    scripted("find")
}

unsafe extern "C" fn find_objects(
    _: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE_PTR,
    _: CK_ULONG,
    count: CK_ULONG_PTR,
) -> CK_RV {
    let next = FOUND.lock().ok().and_then(|mut found| found.pop());
    unsafe {
        *count = CK_ULONG::from(next.is_some());
        if let Some(next) = next {
            *object = next;
        }
    }
    CKR_OK
}

unsafe extern "C" fn find_objects_final(_: CK_SESSION_HANDLE) -> CK_RV {
    CKR_OK
}

unsafe extern "C" fn get_attribute_value(
    _: CK_SESSION_HANDLE,
    _: CK_OBJECT_HANDLE,
    template: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
) -> CK_RV {
    for place in 0..count as usize {
        let attribute = unsafe { &mut *template.add(place) };
        let value = match attribute.type_ {
            CKA_ID => ID.to_vec(),
            CKA_VALUE => std::env::var_os("CHAYAN_STUB_CERTIFICATE")
                .and_then(|path| std::fs::read(path).ok())
                .unwrap_or_default(),
            CKA_ALWAYS_AUTHENTICATE => vec![CK_FALSE],
            _ => {
                attribute.ulValueLen = CK_UNAVAILABLE_INFORMATION;
                return CKR_ATTRIBUTE_TYPE_INVALID;
            }
        };
        if !attribute.pValue.is_null() {
            if (attribute.ulValueLen as usize) < value.len() {
                return CKR_BUFFER_TOO_SMALL;
            }
            unsafe { copy_nonoverlapping(value.as_ptr(), attribute.pValue.cast(), value.len()) };
        }
        attribute.ulValueLen = value.len() as CK_ULONG;
    }
    CKR_OK
}

unsafe extern "C" fn sign_init(
    _: CK_SESSION_HANDLE,
    _: CK_MECHANISM_PTR,
    _: CK_OBJECT_HANDLE,
) -> CK_RV {
    CKR_OK
}

unsafe extern "C" fn sign(
    _: CK_SESSION_HANDLE,
    _: CK_BYTE_PTR,
    _: CK_ULONG,
    signature: CK_BYTE_PTR,
    size: CK_ULONG_PTR,
) -> CK_RV {
    unsafe {
        if !signature.is_null() {
            signature.write_bytes(0, 256);
        }
        *size = 256;
    }
    if signature.is_null() { CKR_OK } else { scripted("sign") }
}

/// The module's functions.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetFunctionList(list: CK_FUNCTION_LIST_PTR_PTR) -> CK_RV {
    let mut functions =
        CK_FUNCTION_LIST { version: CK_VERSION { major: 2, minor: 40 }, ..Default::default() };
    functions.C_Initialize = Some(initialize);
    functions.C_Finalize = Some(finalize);
    functions.C_GetInfo = Some(get_info);
    functions.C_GetFunctionList = Some(C_GetFunctionList);
    functions.C_GetSlotList = Some(get_slot_list);
    functions.C_GetSlotInfo = Some(get_slot_info);
    functions.C_GetTokenInfo = Some(get_token_info);
    functions.C_OpenSession = Some(open_session);
    functions.C_CloseSession = Some(close_session);
    functions.C_Login = Some(login);
    functions.C_Logout = Some(logout);
    functions.C_FindObjectsInit = Some(find_objects_init);
    functions.C_FindObjects = Some(find_objects);
    functions.C_FindObjectsFinal = Some(find_objects_final);
    functions.C_GetAttributeValue = Some(get_attribute_value);
    functions.C_SignInit = Some(sign_init);
    functions.C_Sign = Some(sign);
    unsafe { *list = Box::leak(Box::new(functions)) };
    CKR_OK
}
