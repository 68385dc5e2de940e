import { defineConfig } from 'vite';

/**
 * One bundle for every command, in chunks that load when a command needs them, beside each other: what looks for the repository
 * from its own file upwards finds it from each. npm packages and the addons stay outside.
 */
export default defineConfig({
  build: {
    ssr: 'src/main.ts',
    outDir: 'dist',
    target: 'node24',
    sourcemap: true,
    minify: false,
    emptyOutDir: true,
    rollupOptions: { output: { chunkFileNames: '[name]-[hash].js' } },
  },
  ssr: { external: ['@perfleet/native-inotify', '@perfleet/native-mapping', '@perfleet/native-symbols'] },
});
