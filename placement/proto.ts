/** Loads `placement.proto`, which lies beside this file in the source and in the build. */
import { fileURLToPath } from 'node:url'
import { loadSync, type PackageDefinition } from '@grpc/proto-loader'

export const loadPlacementProto = (): PackageDefinition => loadSync(fileURLToPath(new URL('./placement.proto', import.meta.url)), {
  // Versions stay below 2^53: plain numbers. `oneofs` names the field that is set in `kind`, as `messages.ts` has it.
  longs: Number, defaults: true, arrays: true, objects: true, oneofs: true, keepCase: true,
})
