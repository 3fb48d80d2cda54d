/** One, few, many, as Russian counts: 1 диалог, 2 диалога, 5 диалогов. */
export function russianPlural(n: number, forms: number): number {
  const [tens, ones] = [n % 100, n % 10]
  const form = ones === 1 && tens !== 11 ? 0 : ones >= 2 && ones <= 4 && (tens < 12 || tens > 14) ? 1 : 2
  return Math.min(form, forms - 1)
}
