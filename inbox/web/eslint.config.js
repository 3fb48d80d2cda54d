import vue from "eslint-plugin-vue"
import ts from "typescript-eslint"

export default ts.config(
  { ignores: ["dist", "dist-next", "node_modules", "public", "src/api/schema.d.ts"] },
  ...ts.configs.recommended,
  ...vue.configs["flat/recommended"],
  {
    files: ["**/*.vue"],
    languageOptions: { parserOptions: { parser: ts.parser } },
  },
  {
    rules: {
      "no-undef": "off", // vue-tsc knows better
      "vue/block-lang": ["error", { script: { lang: "ts" } }],
      "vue/component-api-style": ["error", ["script-setup"]],
      "vue/no-v-html": "error",
      "vue/no-restricted-static-attribute": ["error", { key: "style", message: "the page's policy forbids style attributes in markup" }],
      "vue/max-lines-per-block": ["error", { template: 150, script: 150, skipBlankLines: true }],
      "vue/multi-word-component-names": ["error", { ignores: ["App"] }],
      "vue/require-default-prop": "off", // absent is a value of its own in TypeScript
      // How lines are broken is left to whoever writes them.
      "vue/max-attributes-per-line": "off",
      "vue/singleline-html-element-content-newline": "off",
      "vue/multiline-html-element-content-newline": "off",
      "vue/html-self-closing": "off",
      "vue/html-closing-bracket-newline": "off",
      "vue/html-indent": "off",
      "vue/first-attribute-linebreak": "off",
      "vue/attributes-order": "off",
      "@typescript-eslint/no-explicit-any": "error",
    },
  },
)
