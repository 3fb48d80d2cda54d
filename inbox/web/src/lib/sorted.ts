/** Rows in order, kept so as they change one at a time: a frame costs a look-up, not a sort of ten thousand. */
export class SortedRows<T extends { id: string }> {
  private rows: T[] = []
  private readonly known = new Map<string, T>()

  constructor(private readonly compare: (a: T, b: T) => number) {}

  get size(): number {
    return this.rows.length
  }
  has(id: string): boolean {
    return this.known.has(id)
  }
  /** A copy, so that whoever draws it sees that it is another. */
  all(): T[] {
    return this.rows.slice()
  }
  fill(rows: Iterable<T>): void {
    this.known.clear()
    for (const row of rows) this.known.set(row.id, row)
    this.rows = [...this.known.values()].sort(this.compare)
  }
  /** False: it was there already, just so. */
  put(row: T): boolean {
    const before = this.known.get(row.id)
    if (before === row) return false
    this.known.set(row.id, row)
    if (before) {
      const at = this.placeOf(before)
      if (this.compare(before, row) === 0) {
        this.rows[at] = row
        return true
      }
      this.rows.splice(at, 1)
    }
    this.rows.splice(this.placeOf(row), 0, row)
    return true
  }
  drop(id: string): boolean {
    const row = this.known.get(id)
    if (!row) return false
    this.rows.splice(this.placeOf(row), 1)
    this.known.delete(id)
    return true
  }
  /** Where it stands, or would. */
  private placeOf(row: T): number {
    let [low, high] = [0, this.rows.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.compare(this.rows[middle]!, row) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}
