// What the HiPKI component's codes mean to a person: keys of the page's words.

/** `ret_code`: from, to, words. */
const CODES = [
  [0x76000001, 0x76000002, "hipki-unreadable"],
  [0x76000003, 0x76000004, "hipki-version"],
  [0x76000005, 0x76000005, "hipki-module"],
  [0x76000006, 0x76000006, "no-card"],
  [0x76000007, 0x76000007, "hipki-sign"],
  [0x76000008, 0x7600000c, "hipki-version"],
  [0x7600000d, 0x7600000d, "hipki-helper"],
  // An unknown function, also a reader or card that is not there.
  [0x7600000e, 0x7600000e, "no-card"],
  [0x7600000f, 0x7600000f, "hipki-site"],
  [0x76000031, 0x76000031, "hipki-site"],
  [0x76000998, 0x76000998, "pin-missing"],
  [0x76000999, 0x76000999, "pin-cancelled"],
  [0x76001000, 0x76001002, "hipki-version"],
  [0x76001003, 0x76001003, "pin-missing"],
  [0x76001004, 0x76001005, "hipki-version"],
  [0x76100001, 0x76100002, "hipki-module"],
  [0x76100003, 0x76100003, "no-reader"],
  [0x76100004, 0x76100005, "hipki-unreadable"],
  [0x76100006, 0x76100007, "hipki-sign"],
  [0x76100008, 0x76100009, "hipki-unreadable"],
  [0x7610000a, 0x7610000a, "hipki-module"],
  [0x7610000b, 0x7610000d, "hipki-unreadable"],
  [0x76300001, 0x76300009, "hipki-sign"],
  [0x76500001, 0x76500001, "certificate-not-yet-valid"],
  [0x76500002, 0x76500002, "certificate-expired"],
  [0x76600001, 0x76600002, "hipki-version"],
  [0x83000100, 0x83000100, "hipki-card"],
  // Cards of one authority at another's service.
  [0x83000101, 0x83000104, "wrong-card"],
  [0x83000105, 0x83000105, "pin-length"],
  [0xe0000012, 0xe0000012, "pin-cancelled"],
  [0xe0000013, 0xe0000013, "hipki-unreadable"],
];

/** `last_error` after a login that failed: values of PKCS#11 and two of the vendor's. */
const LOGIN = new Map([
  [0x32, "card-removed"],
  [0x50, "pin-cancelled"],
  [0xa0, "pin-wrong"],
  [0xa2, "pin-length"],
  [0xa4, "pin-locked"],
  [0xe0, "card-removed"],
  [0x80000001, "pin-wrong"],
  [0x80000002, "pin-wrong"],
]);
const TRIES_LEFT = new Map([[0x80000001, 1], [0x80000002, 2]]);

const LOGIN_FAILED = 0x76100006;

const low = (number) => Number(BigInt.asUintN(32, BigInt(number)));

/** A reply: numbers that are too long for this language's are kept as text. */
export const parse = (text) => JSON.parse(text.replace(/("(?:ret_code|last_error)"\s*:\s*)(-?\d{16,})/g, '$1"$2"'));

/** The words for a reply that is a refusal: their key, the tries left, the code to be told. */
export function meaning({ ret_code: code, last_error: last }) {
  const number = (value) => (/^-?\d+$/.test(String(value ?? "")) ? low(value) : 0);
  const [found, reason] = [number(code), number(last)];
  const told = `0x${found.toString(16).toUpperCase().padStart(8, "0")}`;
  if (found === LOGIN_FAILED && LOGIN.has(reason)) return { words: LOGIN.get(reason), left: TRIES_LEFT.get(reason), told };
  const [, , words] = CODES.find(([from, to]) => from <= found && found <= to) ?? [0, 0, "hipki-other"];
  return { words, told };
}
