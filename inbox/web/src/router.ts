import { createRouter, createWebHistory } from "vue-router"
import { areas } from "./areas"
import { useSession } from "./stores/session"

export const router = createRouter({
  history: createWebHistory(),
  routes: [
    { path: "/sign-in", name: "sign-in", component: () => import("@/views/SignIn.vue"), meta: { open: true } },
    { path: "/password", name: "password", component: () => import("@/views/ChoosePassword.vue"), meta: { open: true } },
    {
      path: "/",
      component: () => import("@/components/app/AppShell.vue"),
      redirect: "/inbox",
      children: [...areas.flatMap((area) => area.routes), { path: "/:rest(.*)*", component: () => import("@/views/NotFound.vue") }],
    },
  ],
})

/** A path of this page: what a link may lead back to after signing in. */
export const ownPath = (path: unknown): string => (typeof path === "string" && /^\/(?![/\\])/.test(path) ? path : "/inbox")

router.beforeEach(async (to) => {
  const session = useSession()
  if (session.state === "unknown") await session.load()
  if (session.state === "in") return to.name === "sign-in" ? ownPath(to.query.to) : true
  if (to.meta.open) return true
  return { name: "sign-in", query: to.fullPath === "/" || to.fullPath === "/inbox" ? {} : { to: to.fullPath } }
})
