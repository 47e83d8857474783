// Files that must never leave the computer, told before they are sent.

/**
 * Whether this looks like a private key or a PFX, which must never leave the computer: by the
 * words of PEM, or since they begin with a version number and certificates do not (as the
 * service looks, which decides).
 */
export function looksLikeKey(bytes) {
  if (new TextDecoder("latin1").decode(bytes).includes("PRIVATE KEY")) return true;
  const inner = bytes[1] < 0x80 ? 2 : 2 + (bytes[1] & 0x7f);
  return bytes[0] === 0x30 && bytes[inner] === 0x02;
}
