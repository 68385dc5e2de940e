import { defineConfig } from 'vite';

/** One bundle for every command; npm packages and the addons stay outside. */
export default defineConfig({
  build: { ssr: 'src/main.ts', outDir: 'dist', target: 'node24', sourcemap: true, minify: false, emptyOutDir: true },
  ssr: { external: ['@perfleet/native-inotify', '@perfleet/native-mapping', '@perfleet/native-symbols'] },
});
