import tseslint from 'typescript-eslint';

export default tseslint.config(
    { ignores: ['dist', 'out', 'node_modules', '*.mjs'] },
    tseslint.configs.strictTypeChecked,
    tseslint.configs.stylisticTypeChecked,
    { languageOptions: { parserOptions: { projectService: true } } },
    {
        // node:test starts its tests by itself; their promises are its own
        files: ['test/**'],
        rules: { '@typescript-eslint/no-floating-promises': 'off' },
    },
);
