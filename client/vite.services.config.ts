import { defineConfig } from 'vite';

/** The services alone, as one script that puts them into `Curtaincall`: for a site that has pages of its own. */
export default defineConfig({
  resolve: { tsconfigPaths: true },
  publicDir: false,
  build: {
    outDir: 'dist',
    lib: {
      entry: 'src/services/index.ts',
      name: 'Curtaincall',
      formats: ['iife'],
      fileName: () => 'services.js',
    },
  },
});
