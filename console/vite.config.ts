import { defineConfig } from "vite";

const service = "http://127.0.0.1:8000"; // what `make run` starts; `npm run dev` stands before it

// Addresses inside the build are relative, for ROOT_PATH is known only to the service that hands it out.
export default defineConfig(({ command }) => ({
  base: command === "serve" ? "/console/" : "./",
  build: {
    outDir: "../src/sharetally/web/static/console",
    emptyOutDir: true,
    target: ["chrome123", "firefox120", "safari17.5"],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  server: { proxy: { "^/(?!console/(?!session|options|sign-in/oidc))": { target: service, ws: true } } },
}));
