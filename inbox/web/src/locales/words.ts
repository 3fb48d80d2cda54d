export type Words = { [key: string]: string | Words }

/** Each file a name space of its own, called as the file. */
export function gathered(files: Record<string, Words>): Words {
  return Object.fromEntries(Object.entries(files).map(([path, words]) => [path.slice(path.lastIndexOf("/") + 1, -".json".length), words]))
}
