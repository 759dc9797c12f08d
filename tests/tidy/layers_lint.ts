export default { name: "mc-proxy", rules: {} } satisfies Deno.lint.Plugin;
