/** What stands for no leg where a leg's number would be: legs are 0 and above. */
export const NO_LEG = -1;
