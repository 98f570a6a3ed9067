// Owns the dates that chat templates print (strftime_now): the few codes they use, in English whatever the
// machine's language, in UTC so that nodes of one region agree.

const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
] as const;

/** Formats a time; codes other than %Y %m %d %B %b %H %M %S %% stay as they are. */
export function formatTime(timeMs: number, format: string): string {
  const date = new Date(timeMs);
  const twoDigits = (value: number) => String(value).padStart(2, "0");
  const month = MONTHS[date.getUTCMonth()] ?? "";
  const values: Readonly<Record<string, string>> = {
    "%Y": String(date.getUTCFullYear()),
    "%m": twoDigits(date.getUTCMonth() + 1),
    "%d": twoDigits(date.getUTCDate()),
    "%B": month,
    "%b": month.slice(0, 3),
    "%H": twoDigits(date.getUTCHours()),
    "%M": twoDigits(date.getUTCMinutes()),
    "%S": twoDigits(date.getUTCSeconds()),
    "%%": "%",
  };
  return format.replace(/%[A-Za-z%]/g, (code) => values[code] ?? code);
}
