import { isolate } from './bidi';
import { locale } from './index.svelte';

/** The largest number that has three digits. */
const MOST_SHORT = 999;

const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const;

/** `48 MB`, in decimal units as file managers and disks count. */
export function bytes(count: number): string {
  let value = count;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return new Intl.NumberFormat(locale(), {
    style: 'unit',
    unit: UNITS[unit],
    unitDisplay: unit === 0 ? 'long' : 'short',
    maximumFractionDigits: value < 10 && unit > 0 ? 1 : 0,
  }).format(value);
}

export function percent(part: number, whole: number): string {
  const ratio = whole > 0 ? Math.min(part / whole, 1) : 1;
  return new Intl.NumberFormat(locale(), { style: 'percent' }).format(Math.floor(ratio * 100) / 100);
}

/** A rough time ahead: `12 sec`, `3 min`, `2 hr`. */
export function duration(seconds: number): string {
  const [value, unit] =
    seconds < 60
      ? [Math.max(1, Math.ceil(seconds)), 'second']
      : seconds < 3600
        ? [Math.round(seconds / 60), 'minute']
        : [Math.round(seconds / 3600), 'hour'];
  return new Intl.NumberFormat(locale(), { style: 'unit', unit, unitDisplay: 'short' }).format(value);
}

/** How long something has lasted, to the second: `3:07`, `1:02:45`. */
export function stopwatch(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value: number) => String(value).padStart(2, '0');
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** How far apart two clocks are: a rough time, in days where it is long. */
export function span(seconds: number): string {
  if (seconds < 48 * 3600) return duration(seconds);
  return new Intl.NumberFormat(locale(), { style: 'unit', unit: 'day', unitDisplay: 'long' }).format(Math.round(seconds / 86_400));
}

export function clock(time: number): string {
  return new Intl.DateTimeFormat(locale(), { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(time);
}

export function moment(time: number): string {
  return new Intl.DateTimeFormat(locale(), { dateStyle: 'full', timeStyle: 'short' }).format(time);
}

/** A date and a time, as short as can be told apart. */
export function dateTime(time: number): string {
  return new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeStyle: 'short', hourCycle: 'h23' }).format(time);
}

/** Of today the time, of another day the date alone, with its year where it is not this one. */
export function when(time: number, now: number): string {
  if (daysBetween(time, now) === 0) return clock(time);
  const year = new Date(time).getFullYear() === new Date(now).getFullYear() ? undefined : 'numeric';
  return new Intl.DateTimeFormat(locale(), { day: 'numeric', month: 'short', year }).format(time);
}

/** A number that has little room: from a thousand on it is not told exactly. */
export function shortCount(count: number): string {
  return count > MOST_SHORT ? `${MOST_SHORT}+` : String(count);
}

/** `Today`, `Yesterday`, else the date. */
export function day(time: number, now: number): string {
  const days = daysBetween(time, now);
  if (days <= 1 && days >= 0) {
    const word = new Intl.RelativeTimeFormat(locale(), { numeric: 'auto' }).format(-days, 'day');
    return word.charAt(0).toLocaleUpperCase(locale()) + word.slice(1);
  }
  const year = new Date(time).getFullYear() === new Date(now).getFullYear() ? undefined : 'numeric';
  return new Intl.DateTimeFormat(locale(), { weekday: 'long', day: 'numeric', month: 'long', year }).format(time);
}

export function ago(time: number, now: number): string {
  const minutes = Math.max(0, Math.round((now - time) / 60_000));
  const format = new Intl.RelativeTimeFormat(locale(), { numeric: 'auto', style: 'short' });
  if (minutes < 60) return format.format(-minutes, 'minute');
  if (minutes < 24 * 60) return format.format(-Math.round(minutes / 60), 'hour');
  return format.format(-Math.round(minutes / 1440), 'day');
}

export function list(names: string[]): string {
  return new Intl.ListFormat(locale(), { type: 'conjunction' }).format(names.map(isolate));
}

function daysBetween(time: number, now: number): number {
  const midnight = (at: number) => new Date(at).setHours(0, 0, 0, 0);
  return Math.round((midnight(now) - midnight(time)) / 86_400_000);
}
