import type { Area } from "./types"

export const area: Area = {
  name: "contacts",
  routes: [
    { path: "/contacts", name: "contacts", component: () => import("@/views/contacts/ContactsView.vue") },
    { path: "/contacts/doubles", name: "doubles", component: () => import("@/views/contacts/DoublesView.vue") },
    { path: "/contacts/import", name: "imports", component: () => import("@/views/contacts/ImportsView.vue") },
    { path: "/contacts/import/:table", name: "import", component: () => import("@/views/contacts/ImportView.vue"), props: (route) => ({ id: String(route.params.table) }) },
    { path: "/contacts/:id", name: "contact", component: () => import("@/views/contacts/ContactView.vue"), props: true },
  ],
  menu: { label: "contacts.title", icon: "i-lucide-users", to: "/contacts", order: 20 },
  keys: [
    { press: "f", label: "contacts.key_find" },
    { press: "c", label: "contacts.key_new" },
    { press: "u", label: "contacts.key_back" },
  ],
}
