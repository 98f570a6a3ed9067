// Owns how a text is written into a field of CSV.

/** Quoted as RFC 4180 has it; a text that a spreadsheet would compute is made text. */
export function csvField(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** An answer of CSV lines, offered as a file. @param fileName of letters, digits, dots and dashes */
export function csvAnswer(lines: readonly string[], fileName: string): Response {
  const headers = {
    "content-type": "text/csv; charset=utf-8",
    "content-disposition": `attachment; filename="${fileName}"`,
  };
  return new Response(`${lines.join("\r\n")}\r\n`, { headers });
}
