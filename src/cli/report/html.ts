import { escapeControls } from '../terminal/output.js';

/** Markup that {@link html} made. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Value = Html | string | number | undefined | Value[];

const ESCAPED: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** A template whose values are text, so they are escaped. Only its own results are markup. `undefined` becomes nothing. */
export function html(strings: TemplateStringsArray, ...values: Value[]): Html {
  return new Html(strings.map((string, at) => string + textOf(values[at])).join(''));
}

function textOf(value: Value): string {
  if (value === undefined) return '';
  if (Array.isArray(value)) return value.map(textOf).join('');
  return value instanceof Html
    ? value.text
    : escapeControls(String(value)).replace(/[&<>"']/g, (each) => ESCAPED[each] as string);
}
