/** stub during build */
export const figureNames = ['kill'] as const
export async function runFigures(_o: any): Promise<boolean> { return true }
