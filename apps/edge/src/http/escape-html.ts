// Owns how a text is written into HTML, in elements and in quoted attributes.

/** Every character that could end the text is a reference. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
