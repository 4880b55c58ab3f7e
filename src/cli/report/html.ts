/** HTML that was made by {@link html}, and so is what it was meant to be. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Value = Html | string | number | undefined | Value[];

const ESCAPED: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** A template whose values are text, wherever they came from: only what this made itself is markup. `undefined` is nothing. */
export function html(strings: TemplateStringsArray, ...values: Value[]): Html {
  return new Html(strings.map((string, at) => string + textOf(values[at])).join(''));
}

function textOf(value: Value): string {
  if (value === undefined) return '';
  if (Array.isArray(value)) return value.map(textOf).join('');
  return value instanceof Html ? value.text : String(value).replace(/[&<>"']/g, (each) => ESCAPED[each] as string);
}
