import { useQuery } from "@tanstack/vue-query"
import { computed, onScopeDispose } from "vue"
import { call } from "@/api/client"
import type { Field } from "@/api/records"
import { listen } from "@/live/socket"

/** The company's own fields of a card, those in use, kept fresh. */
export function useFields() {
  const query = useQuery({ queryKey: ["custom-fields"], queryFn: ({ signal }) => call("get", "/api/v1/custom-fields", { query: { limit: 200 }, signal }) })
  onScopeDispose(listen("field.changed", () => void query.refetch()))
  return { all: computed<Field[]>(() => (query.data.value?.items ?? []).filter((one) => one.active !== false)) }
}
