<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="fr">
  <context>
    <name>MedSeg</name>
    <message>
      <source> mm³</source>
      <translation> mm³</translation>
    </message>
    <message>
      <source>Add every image of a folder. The results are written as files beside each other; the scene stays as it is.</source>
      <translation>Ajouter toutes les images d'un dossier. Les résultats sont écrits dans des fichiers ; la scène ne change pas.</translation>
    </message>
    <message>
      <source>Add every time point of the sequence that the volume belongs to. The results become a sequence too.</source>
      <translation>Ajouter tous les instants de la séquence à laquelle le volume appartient. Les résultats forment aussi une séquence.</translation>
    </message>
    <message>
      <source>Add every volume of the scene.</source>
      <translation>Ajouter tous les volumes de la scène.</translation>
    </message>
    <message>
      <source>Add to queue</source>
      <translation>Mettre en attente</translation>
    </message>
    <message>
      <source>Advanced</source>
      <translation>Options avancées</translation>
    </message>
    <message>
      <source>Answer what the model's file does not say.</source>
      <translation>Répondez à ce que le fichier du modèle ne dit pas.</translation>
    </message>
    <message>
      <source>Apply to the result</source>
      <translation>Appliquer au résultat</translation>
    </message>
    <message>
      <source>Ask the network again with mirrored slices and take the mean. Slower; only for networks that were trained with mirroring.</source>
      <translation>Interroger aussi le réseau avec des coupes en miroir et prendre la moyenne. Plus lent ; seulement pour les réseaux entraînés avec des miroirs.</translation>
    </message>
    <message>
      <source>Cancelled.</source>
      <translation>Annulé.</translation>
    </message>
    <message>
      <source>Choose a model.</source>
      <translation>Choisissez un modèle.</translation>
    </message>
    <message>
      <source>Choose a model: press Models for the one that ships.</source>
      <translation>Choisissez un modèle : sous Modèles se trouve celui qui est fourni.</translation>
    </message>
    <message>
      <source>Choose a volume.</source>
      <translation>Choisissez un volume.</translation>
    </message>
    <message>
      <source>Clean up the result in this way instead of what the model's card says.</source>
      <translation>Nettoyer le résultat de cette façon au lieu de suivre la fiche du modèle.</translation>
    </message>
    <message>
      <source>Clear finished</source>
      <translation>Retirer les terminés</translation>
    </message>
    <message>
      <source>Close Slicer and start it again. You are asked what to save.</source>
      <translation>Fermer Slicer et le relancer. On vous demande ce qu'il faut enregistrer.</translation>
    </message>
    <message>
      <source>Compute on:</source>
      <translation>Calculer sur :</translation>
    </message>
    <message>
      <source>Copy report</source>
      <translation>Copier le rapport</translation>
    </message>
    <message>
      <source>Copy versions, choices and log as one text, for example for a question in the Slicer forum. It holds no names of patients, volumes or folders.</source>
      <translation>Copier versions, choix et journal en un seul texte, par exemple pour une question sur le forum de Slicer. Il ne contient aucun nom de patient, de volume ou de dossier.</translation>
    </message>
    <message>
      <source>Decide with this probability instead of what the model's card says. After a run the slider previews in the slice views.</source>
      <translation>Décider avec cette probabilité au lieu de celle de la fiche du modèle. Après un calcul, le curseur donne un aperçu dans les coupes.</translation>
    </message>
    <message>
      <source>Done. The result is below.</source>
      <translation>Terminé. Le résultat est ci-dessous.</translation>
    </message>
    <message>
      <source>Done: nothing was found, see below.</source>
      <translation>Terminé : rien n'a été trouvé, voir ci-dessous.</translation>
    </message>
    <message>
      <source>Double-click a segment to go there.</source>
      <translation>Double-cliquez sur un segment pour y aller.</translation>
    </message>
    <message>
      <source>Download and install ONNX Runtime, the small way: enough for ONNX models. It is installed into Slicer's own Python.</source>
      <translation>Télécharger et installer ONNX Runtime, la petite solution : suffisante pour les modèles ONNX. L'installation se fait dans le Python de Slicer.</translation>
    </message>
    <message>
      <source>Drop parts below:</source>
      <translation>Écarter les parties de moins de :</translation>
    </message>
    <message>
      <source>Export</source>
      <translation>Exporter</translation>
    </message>
    <message>
      <source>Fill holes</source>
      <translation>Boucher les trous</translation>
    </message>
    <message>
      <source>Fill what a segment encloses on all sides.</source>
      <translation>Remplir ce qu'un segment entoure de toutes parts.</translation>
    </message>
    <message>
      <source>Folder…</source>
      <translation>Dossier…</translation>
    </message>
    <message>
      <source>From a folder…</source>
      <translation>Depuis un dossier…</translation>
    </message>
    <message>
      <source>Go on without. Models cannot be run until the packages are installed.</source>
      <translation>Continuer sans. Aucun modèle ne peut fonctionner avant l'installation des paquets.</translation>
    </message>
    <message>
      <source>Go to</source>
      <translation>Y aller</translation>
    </message>
    <message>
      <source>Install ONNX Runtime</source>
      <translation>Installer ONNX Runtime</translation>
    </message>
    <message>
      <source>Install PyTorch</source>
      <translation>Installer PyTorch</translation>
    </message>
    <message>
      <source>Install PyTorch through the PyTorch extension of Slicer: needed for PyTorch and Keras models, and for most GPUs. Several gigabytes.</source>
      <translation>Installer PyTorch par l'extension PyTorch de Slicer : nécessaire pour les modèles PyTorch et Keras et pour la plupart des cartes graphiques. Plusieurs gigaoctets.</translation>
    </message>
    <message>
      <source>Install from a folder of wheels, without a network.</source>
      <translation>Installer depuis un dossier de paquets « wheel », sans réseau.</translation>
    </message>
    <message>
      <source>Keep largest parts:</source>
      <translation>Garder les plus grandes parties :</translation>
    </message>
    <message>
      <source>Load a volume first. The module Sample Data has a synthetic one under MedSeg.</source>
      <translation>Chargez d'abord un volume. Le module Sample Data en propose un synthétique sous MedSeg.</translation>
    </message>
    <message>
      <source>Log</source>
      <translation>Journal</translation>
    </message>
    <message>
      <source>Made with 3D Slicer, ONNX Runtime, PyTorch and OpenVINO.</source>
      <translation>Réalisé avec 3D Slicer, ONNX Runtime, PyTorch et OpenVINO.</translation>
    </message>
    <message>
      <source>MedSeg</source>
      <translation>MedSeg</translation>
    </message>
    <message>
      <source>Mirrored slices:</source>
      <translation>Coupes en miroir :</translation>
    </message>
    <message>
      <source>Model:</source>
      <translation>Modèle :</translation>
    </message>
    <message>
      <source>Models</source>
      <translation>Modèles</translation>
    </message>
    <message>
      <source>Move the slice views to the selected segment.</source>
      <translation>Amener les coupes sur le segment choisi.</translation>
    </message>
    <message>
      <source>New segmentation</source>
      <translation>Nouvelle segmentation</translation>
    </message>
    <message>
      <source>Not now</source>
      <translation>Pas maintenant</translation>
    </message>
    <message>
      <source>Not started: the packages that the model needs are not installed.</source>
      <translation>Pas lancé : les paquets dont le modèle a besoin ne sont pas installés.</translation>
    </message>
    <message>
      <source>Of the 3D surface; the voxels stay as they are. Acts on the result at once.</source>
      <translation>De la surface 3D ; les voxels ne changent pas. Agit aussitôt sur le résultat.</translation>
    </message>
    <message>
      <source>One row for each run.</source>
      <translation>Une ligne par calcul.</translation>
    </message>
    <message>
      <source>Only so many of the largest parts of each segment are kept. Ducts above a complete stricture are a part of their own.</source>
      <translation>Seul ce nombre des plus grandes parties de chaque segment est gardé. Les canaux en amont d'une sténose complète forment une partie à part.</translation>
    </message>
    <message>
      <source>Own clean-up instead of the model's</source>
      <translation>Nettoyage choisi ici au lieu de celui du modèle</translation>
    </message>
    <message>
      <source>Own threshold instead of the model's</source>
      <translation>Seuil choisi ici au lieu de celui du modèle</translation>
    </message>
    <message>
      <source>Remove</source>
      <translation>Retirer</translation>
    </message>
    <message>
      <source>Research use only. Not for diagnosis or treatment.</source>
      <translation>Réservé à la recherche. Ni pour le diagnostic, ni pour le traitement.</translation>
    </message>
    <message>
      <source>Restart Slicer</source>
      <translation>Redémarrer Slicer</translation>
    </message>
    <message>
      <source>Result</source>
      <translation>Résultat</translation>
    </message>
    <message>
      <source>Run all</source>
      <translation>Tout lancer</translation>
    </message>
    <message>
      <source>Run every row that waits.</source>
      <translation>Lancer toutes les lignes en attente.</translation>
    </message>
    <message>
      <source>Run the model with these answers.</source>
      <translation>Utiliser le modèle avec ces réponses.</translation>
    </message>
    <message>
      <source>Run this choice too, after what is running.</source>
      <translation>Lancer aussi ce choix, après le calcul en cours.</translation>
    </message>
    <message>
      <source>Runs the model and the choices above on each volume, one after the other.</source>
      <translation>Applique le modèle et les choix ci-dessus à chaque volume, l'un après l'autre.</translation>
    </message>
    <message>
      <source>Save beside the model</source>
      <translation>Enregistrer à côté du modèle</translation>
    </message>
    <message>
      <source>Segment</source>
      <translation>Segmenter</translation>
    </message>
    <message>
      <source>Segment the volume.</source>
      <translation>Segmenter le volume.</translation>
    </message>
    <message>
      <source>Segmentation:</source>
      <translation>Segmentation :</translation>
    </message>
    <message>
      <source>Segments a volume slice by slice with a trained 2D network, such as bile ducts in MR cholangiography, and shows the result as 3D segments. Research use only: not for diagnosis or treatment.</source>
      <translation>Segmente un volume coupe par coupe avec un réseau 2D entraîné, par exemple les voies biliaires en cholangio-IRM, et montre le résultat en segments 3D. Réservé à la recherche : ni pour le diagnostic, ni pour le traitement.</translation>
    </message>
    <message>
      <source>Sequence</source>
      <translation>Séquence</translation>
    </message>
    <message>
      <source>Several volumes</source>
      <translation>Plusieurs volumes</translation>
    </message>
    <message>
      <source>Show in 3D</source>
      <translation>Montrer en 3D</translation>
    </message>
    <message>
      <source>Show or hide the surfaces in the 3D view.</source>
      <translation>Montrer ou cacher les surfaces dans la vue 3D.</translation>
    </message>
    <message>
      <source>Stopping</source>
      <translation>Arrêt en cours</translation>
    </message>
    <message>
      <source>Surface smoothing:</source>
      <translation>Lissage de la surface :</translation>
    </message>
    <message>
      <source>Take back the last run: what it wrote goes, what it replaced comes back.</source>
      <translation>Revenir sur le dernier calcul : ce qu'il a écrit disparaît, ce qu'il a remplacé revient.</translation>
    </message>
    <message>
      <source>Take out the rows that are done.</source>
      <translation>Retirer les lignes terminées.</translation>
    </message>
    <message>
      <source>Take the selected rows out; one that runs is cancelled.</source>
      <translation>Retirer les lignes choisies ; un calcul en cours est annulé.</translation>
    </message>
    <message>
      <source>The model that ships, models used before, and choosing a folder.</source>
      <translation>Le modèle fourni, les modèles déjà utilisés, et le choix d'un dossier.</translation>
    </message>
    <message>
      <source>The packages are installed.</source>
      <translation>Les paquets sont installés.</translation>
    </message>
    <message>
      <source>The trained network: a file, or the folder of a model package. A file can also be dropped here.</source>
      <translation>Le réseau entraîné : un fichier, ou le dossier d'un paquet de modèle. On peut aussi déposer un fichier ici.</translation>
    </message>
    <message>
      <source>The volume to segment.</source>
      <translation>Le volume à segmenter.</translation>
    </message>
    <message>
      <source>Threshold:</source>
      <translation>Seuil :</translation>
    </message>
    <message>
      <source>Unconnected parts smaller than this are removed.</source>
      <translation>Les parties isolées plus petites sont retirées.</translation>
    </message>
    <message>
      <source>Undo</source>
      <translation>Défaire</translation>
    </message>
    <message>
      <source>Use for this session</source>
      <translation>Utiliser pour cette session</translation>
    </message>
    <message>
      <source>Volume and model</source>
      <translation>Volume et modèle</translation>
    </message>
    <message>
      <source>Volume:</source>
      <translation>Volume :</translation>
    </message>
    <message>
      <source>Volumes of the scene</source>
      <translation>Volumes de la scène</translation>
    </message>
    <message>
      <source>Voxels from this probability on belong to a segment.</source>
      <translation>Les voxels à partir de cette probabilité font partie d'un segment.</translation>
    </message>
    <message>
      <source>What happened, without names of patients.</source>
      <translation>Ce qui s'est passé, sans nom de patient.</translation>
    </message>
    <message>
      <source>What the model's card says.</source>
      <translation>Ce que dit la fiche du modèle.</translation>
    </message>
    <message>
      <source>Where the network runs. Automatic takes a graphics processor where one works, else the processor.</source>
      <translation>Où le réseau est calculé. Le choix automatique prend une carte graphique si elle fonctionne, sinon le processeur.</translation>
    </message>
    <message>
      <source>Where the segments go. Segments that you drew or changed are kept.</source>
      <translation>Où vont les segments. Ceux que vous avez dessinés ou modifiés sont gardés.</translation>
    </message>
    <message>
      <source>Write the answers into a file beside the model, so that nobody has to be asked again.</source>
      <translation>Écrire les réponses dans un fichier à côté du modèle, pour ne plus avoir à les demander.</translation>
    </message>
    <message>
      <source>Write the result again with these choices, without running the network again.</source>
      <translation>Récrire le résultat avec ces choix, sans relancer le réseau.</translation>
    </message>
    <message>
      <source>Write the result to files.</source>
      <translation>Écrire le résultat dans des fichiers.</translation>
    </message>
    <message>
      <source>all</source>
      <translation>toutes</translation>
    </message>
    <message>
      <source>{count} runs still wait.</source>
      <translation>{count} calculs attendent encore.</translation>
    </message>
    <message>
      <source>{done} of {count} done. Each is listed under Several volumes.</source>
      <translation>{done} sur {count} terminés. Chacun figure sous Plusieurs volumes.</translation>
    </message>
  </context>
  <context>
    <name>MedSegDucts</name>
    <message>
      <source>Add to training set</source>
      <translation>Ajouter aux données d'entraînement</translation>
    </message>
    <message>
      <source>Adds the volume and all segments of the segmentation above to a training set. No name and no date of a patient is written.</source>
      <translation>Ajoute le volume et tous les segments de la segmentation ci-dessus à des données d'entraînement. Aucun nom ni aucune date de patient n'est écrit.</translation>
    </message>
    <message>
      <source>Back to the last doubtful place (Shift+N).</source>
      <translation>Revenir au lieu douteux précédent (Maj+N).</translation>
    </message>
    <message>
      <source>Branches</source>
      <translation>Branches</translation>
    </message>
    <message>
      <source>Candidates, not diagnoses. Click one to go there; rest on one to read its grade.</source>
      <translation>Des candidats, pas des diagnostics. Cliquez pour y aller ; laissez le pointeur dessus pour lire le degré.</translation>
    </message>
    <message>
      <source>Click a branch to go to its narrowest place.</source>
      <translation>Cliquez sur une branche pour aller à son point le plus étroit.</translation>
    </message>
    <message>
      <source>Compare</source>
      <translation>Comparer</translation>
    </message>
    <message>
      <source>Compare and give back</source>
      <translation>Comparer et restituer</translation>
    </message>
    <message>
      <source>Compares the segment chosen above with another one of the same volume.</source>
      <translation>Compare le segment choisi ci-dessus à un autre du même volume.</translation>
    </message>
    <message>
      <source>Ducts: measure and review</source>
      <translation>Canaux : mesurer et relire</translation>
    </message>
    <message>
      <source>Findings</source>
      <translation>Constats</translation>
    </message>
    <message>
      <source>Folder that medseg train reads: images and labels go there.</source>
      <translation>Dossier que lit medseg train : images et étiquettes y sont écrites.</translation>
    </message>
    <message>
      <source>Follow the centrelines, measure the calibre, and list narrow and wide places.</source>
      <translation>Suivre les lignes centrales, mesurer le calibre et lister les endroits étroits et larges.</translation>
    </message>
    <message>
      <source>Make a table of figures, segments of what differs, and a surface coloured by distance.</source>
      <translation>Faire un tableau de chiffres, des segments de ce qui diffère et une surface colorée selon la distance.</translation>
    </message>
    <message>
      <source>Make the surface of this segment transparent in 3D, so that the coloured tree inside is seen.</source>
      <translation>Rendre la surface de ce segment transparente en 3D, pour voir l'arbre coloré à l'intérieur.</translation>
    </message>
    <message>
      <source>Measure</source>
      <translation>Mesurer</translation>
    </message>
    <message>
      <source>Measure again after each edit</source>
      <translation>Mesurer de nouveau après chaque retouche</translation>
    </message>
    <message>
      <source>Next place</source>
      <translation>Lieu suivant</translation>
    </message>
    <message>
      <source>None</source>
      <translation>Aucun</translation>
    </message>
    <message>
      <source>On to the next doubtful place, the most doubtful first (N).</source>
      <translation>Aller au lieu douteux suivant, le plus douteux d'abord (N).</translation>
    </message>
    <message>
      <source>Previous place</source>
      <translation>Lieu précédent</translation>
    </message>
    <message>
      <source>Reference:</source>
      <translation>Référence :</translation>
    </message>
    <message>
      <source>Research use only. Narrow and wide places are candidates for a radiologist to judge.</source>
      <translation>Réservé à la recherche. Les endroits étroits et larges sont des candidats qu'un radiologue doit juger.</translation>
    </message>
    <message>
      <source>See the tree through the surface</source>
      <translation>Voir l'arbre à travers la surface</translation>
    </message>
    <message>
      <source>Segment:</source>
      <translation>Segment :</translation>
    </message>
    <message>
      <source>Segmentation:</source>
      <translation>Segmentation :</translation>
    </message>
    <message>
      <source>Show calibre plot</source>
      <translation>Montrer la courbe du calibre</translation>
    </message>
    <message>
      <source>Show the calibre from the papilla to the periphery beside the views. A click on a point goes there.</source>
      <translation>Montrer à côté des vues le calibre de la papille à la périphérie. Un clic sur un point y mène.</translation>
    </message>
    <message>
      <source>The segment to compare with.</source>
      <translation>Le segment auquel comparer.</translation>
    </message>
    <message>
      <source>The segment to measure as a tree of ducts.</source>
      <translation>Le segment à mesurer comme un arbre de canaux.</translation>
    </message>
    <message>
      <source>The segmentation that holds the ducts.</source>
      <translation>La segmentation qui contient les canaux.</translation>
    </message>
    <message>
      <source>The segmentation to compare with: a reference, or an earlier run.</source>
      <translation>La segmentation à laquelle comparer : une référence, ou un calcul antérieur.</translation>
    </message>
    <message>
      <source>Training set:</source>
      <translation>Données d'entraînement :</translation>
    </message>
    <message>
      <source>When the segment is changed in Segment Editor, measure it again.</source>
      <translation>Quand le segment est modifié dans Segment Editor, le mesurer de nouveau.</translation>
    </message>
    <message>
      <source>Write the corrected case for the next training.</source>
      <translation>Écrire le cas corrigé pour le prochain entraînement.</translation>
    </message>
  </context>
  <context>
    <name>MedSegLib.advancedPanel</name>
    <message>
      <source>Preview in the slice views, before clean-up: {volumes}. It is not written yet.</source>
      <translation>Aperçu dans les vues de coupe, avant nettoyage : {volumes}. Rien n'est encore écrit.</translation>
    </message>
    <message>
      <source>There is no result in this session to apply it to.</source>
      <translation>Il n'y a pas de résultat dans cette session auquel l'appliquer.</translation>
    </message>
    <message>
      <source>Write the result again with these choices, without running the network again.</source>
      <translation>Récrire le résultat avec ces choix, sans relancer le réseau.</translation>
    </message>
    <message>
      <source>both directions (four times)</source>
      <translation>dans les deux sens (quatre fois plus long)</translation>
    </message>
    <message>
      <source>left and right (twice the time)</source>
      <translation>gauche et droite (deux fois plus long)</translation>
    </message>
    <message>
      <source>no</source>
      <translation>non</translation>
    </message>
    <message>
      <source>{name} {volume:.1f} ml</source>
      <translation>{name} {volume:.1f} ml</translation>
    </message>
  </context>
  <context>
    <name>MedSegLib.batchPanel</name>
    <message>
      <source>Folder of images</source>
      <translation>Dossier d'images</translation>
    </message>
    <message>
      <source>Looking through the folder…</source>
      <translation>Examen du dossier…</translation>
    </message>
    <message>
      <source>Result</source>
      <translation>Résultat</translation>
    </message>
    <message>
      <source>State</source>
      <translation>État</translation>
    </message>
    <message>
      <source>The chosen volume does not belong to a sequence. Choose the volume that a sequence shows.</source>
      <translation>Le volume choisi n'appartient pas à une séquence. Choisissez le volume qu'une séquence montre.</translation>
    </message>
    <message>
      <source>There was nothing to add.</source>
      <translation>Il n'y avait rien à ajouter.</translation>
    </message>
    <message>
      <source>Volume</source>
      <translation>Volume</translation>
    </message>
    <message>
      <source>{count} added. Press “Run all” to start.</source>
      <translation>{count} ajoutés. Appuyez sur « Tout lancer » pour commencer.</translation>
    </message>
  </context>
  <context>
    <name>MedSegLib.cardAnswers</name>
    <message>
      <source>as radiologists look at them ({code})</source>
      <translation>comme les radiologues les regardent ({code})</translation>
    </message>
    <message>
      <source>as they are</source>
      <translation>telles quelles</translation>
    </message>
    <message>
      <source>as {reader} reads them ({code})</source>
      <translation>comme {reader} les lit ({code})</translation>
    </message>
    <message>
      <source>in another way:</source>
      <translation>autrement :</translation>
    </message>
    <message>
      <source>padded or cropped</source>
      <translation>complétées ou rognées</translation>
    </message>
    <message>
      <source>padded or cropped to {height} × {width}</source>
      <translation>complétées ou rognées à {height} × {width}</translation>
    </message>
    <message>
      <source>resized</source>
      <translation>redimensionnées</translation>
    </message>
    <message>
      <source>resized to {height} × {width}</source>
      <translation>redimensionnées à {height} × {width}</translation>
    </message>
    <message>
      <source>structure</source>
      <translation>structure</translation>
    </message>
    <message>
      <source>to a pixel size</source>
      <translation>à une taille de pixel</translation>
    </message>
    <message>
      <source>to a pixel size, then padded or cropped to {height} × {width}</source>
      <translation>à une taille de pixel, puis complétées ou rognées à {height} × {width}</translation>
    </message>
    <message>
      <source>volume {number}</source>
      <translation>volume {number}</translation>
    </message>
  </context>
  <context>
    <name>MedSegLib.cardForm</name>
    <message>
      <source>1st to 99th percentile to 0…1</source>
      <translation>du 1er au 99e centile vers 0…1</translation>
    </message>
    <message>
      <source>Columns:</source>
      <translation>Colonnes :</translation>
    </message>
    <message>
      <source>Directions:</source>
      <translation>Directions :</translation>
    </message>
    <message>
      <source>Divided by:</source>
      <translation>Divisées par :</translation>
    </message>
    <message>
      <source>Input channels:</source>
      <translation>Canaux d'entrée :</translation>
    </message>
    <message>
      <source>Inputs, in order:</source>
      <translation>Entrées, dans l'ordre :</translation>
    </message>
    <message>
      <source>Intensities:</source>
      <translation>Intensités :</translation>
    </message>
    <message>
      <source>Measured on:</source>
      <translation>Mesurées sur :</translation>
    </message>
    <message>
      <source>Pixel (mm):</source>
      <translation>Pixel (mm) :</translation>
    </message>
    <message>
      <source>Rows, columns and slices of the arrays that the network was trained on, as patient directions. ILP: down the rows to the feet (I), along the columns to the patient's left (L), slices from front to back (P).</source>
      <translation>Lignes, colonnes et coupes des tableaux sur lesquels le réseau a été entraîné, en directions du patient. ILP : le long des lignes vers les pieds (I), le long des colonnes vers la gauche du patient (L), coupes d'avant en arrière (P).</translation>
    </message>
    <message>
      <source>Rows:</source>
      <translation>Lignes :</translation>
    </message>
    <message>
      <source>Shown to it:</source>
      <translation>Présentées :</translation>
    </message>
    <message>
      <source>Size:</source>
      <translation>Taille :</translation>
    </message>
    <message>
      <source>Slices:</source>
      <translation>Coupes :</translation>
    </message>
    <message>
      <source>Structure {number}:</source>
      <translation>Structure {number} :</translation>
    </message>
    <message>
      <source>The name of the structure, as it shall appear in the segmentation.</source>
      <translation>Le nom de la structure, tel qu'il doit figurer dans la segmentation.</translation>
    </message>
    <message>
      <source>The network gives:</source>
      <translation>Le réseau donne :</translation>
    </message>
    <message>
      <source>The segmentation is:</source>
      <translation>La segmentation est :</translation>
    </message>
    <message>
      <source>Three letters of L or R, A or P, S or I: of the rows, columns and slices.</source>
      <translation>Trois lettres parmi L ou R, A ou P, S ou I : celles des lignes, des colonnes et des coupes.</translation>
    </message>
    <message>
      <source>What the file does not say about its network:</source>
      <translation>Ce que le fichier ne dit pas de son réseau :</translation>
    </message>
    <message>
      <source>Window from:</source>
      <translation>Fenêtre de :</translation>
    </message>
    <message>
      <source>Window to:</source>
      <translation>Fenêtre à :</translation>
    </message>
    <message>
      <source>a fixed window to 0…1</source>
      <translation>une fenêtre fixe vers 0…1</translation>
    </message>
    <message>
      <source>a yes or no for each structure (sigmoid)</source>
      <translation>un oui ou non par structure (sigmoïde)</translation>
    </message>
    <message>
      <source>as they are</source>
      <translation>telles quelles</translation>
    </message>
    <message>
      <source>divided by a number</source>
      <translation>divisées par un nombre</translation>
    </message>
    <message>
      <source>each slice</source>
      <translation>chaque coupe</translation>
    </message>
    <message>
      <source>lowest 0, highest 1</source>
      <translation>minimum 0, maximum 1</translation>
    </message>
    <message>
      <source>mean 0, standard deviation 1</source>
      <translation>moyenne 0, écart type 1</translation>
    </message>
    <message>
      <source>one class for each pixel (softmax)</source>
      <translation>une classe par pixel (softmax)</translation>
    </message>
    <message>
      <source>one volume for each</source>
      <translation>un volume par canal</translation>
    </message>
    <message>
      <source>probabilities already, one for each structure</source>
      <translation>déjà des probabilités, une par structure</translation>
    </message>
    <message>
      <source>probabilities already, the first of the background</source>
      <translation>déjà des probabilités, la première du fond</translation>
    </message>
    <message>
      <source>the grey slice repeated</source>
      <translation>la coupe grise répétée</translation>
    </message>
    <message>
      <source>the slice and its neighbours</source>
      <translation>la coupe et ses voisines</translation>
    </message>
    <message>
      <source>the whole volume</source>
      <translation>le volume entier</translation>
    </message>
  </context>
  <context>
    <name>MedSegLib.cardPreview</name>
    <message>
      <source>The middle slice as the network would see it ({height} × {width}, values {low:.3g} to {high:.3g}). Does it lie as the slices did that it was trained on?</source>
      <translation>La coupe du milieu telle que le réseau la verrait ({height} × {width}, valeurs de {low:.3g} à {high:.3g}). Est-elle orientée comme les coupes de son entraînement ?</translation>
    </message>
  </context>
  <context>
    <name>MedSegLib.cardText</name>
    <message>
      <source>Change the answers</source>
      <translation>Modifier les réponses</translation>
    </message>
    <message>
      <source>File</source>
      <translation>Fichier</translation>
    </message>
    <message>
      <source>Finds</source>
      <translation>Trouve</translation>
    </message>
    <message>
      <source>For</source>
      <translation>Pour</translation>
    </message>
    <message>
      <source>How good</source>
      <translation>Qualité</translation>
    </message>
    <message>
      <source>Licence</source>
      <translation>Licence</translation>
    </message>
    <message>
      <source>Meant for</source>
      <translation>Destiné à</translation>
    </message>
    <message>
      <source>The model was trained on synthetic cases only; it knows no patient.</source>
      <translation>Le modèle n'a été entraîné que sur des cas synthétiques ; il ne connaît aucun patient.</translation>
    </message>
    <message>
      <source>This file does not say how its network wants its images. Please answer below.</source>
      <translation>Ce fichier ne dit pas comment son réseau veut ses images. Veuillez répondre ci-dessous.</translation>
    </message>
    <message>
      <source>Trained on</source>
      <translation>Entraîné sur</translation>
    </message>
    <message>
      <source>as the image was acquired</source>
      <translation>comme l'image a été acquise</translation>
    </message>
    <message>
      <source>axial</source>
      <translation>axiales</translation>
    </message>
    <message>
      <source>card {where}</source>
      <translation>fiche : {where}</translation>
    </message>
    <message>
      <source>coronal</source>
      <translation>coronales</translation>
    </message>
    <message>
      <source>needs {count} volumes: {names}</source>
      <translation>demande {count} volumes : {names}</translation>
    </message>
    <message>
      <source>not stated</source>
      <translation>non indiqué</translation>
    </message>
    <message>
      <source>pixels {low:g} to {high:g} mm</source>
      <translation>pixels de {low:g} à {high:g} mm</translation>
    </message>
    <message>
      <source>sagittal</source>
      <translation>sagittales</translation>
    </message>
    <message>
      <source>slices {low:g} to {high:g} mm apart</source>
      <translation>coupes espacées de {low:g} à {high:g} mm</translation>
    </message>
    <message>
      <source>slices: {plane}</source>
      <translation>coupes : {plane}</translation>
    </message>
    <message>
      <source>synthetic cases only: it knows no patient</source>
      <translation>cas synthétiques seulement : il ne connaît aucun patient</translation>
    </message>
    <message>
      <source>{count} cases</source>
      <translation>{count} cas</translation>
    </message>
    <message>
      <source>{figures}, on {count} validation cases</source>
      <translation>{figures}, sur {count} cas de validation</translation>
    </message>
    <message>
      <source>{millions:.1f} million parameters</source>
      <translation>{millions:.1f} millions de paramètres</translation>
    </message>
  </context>
  <context>
    <name>MedSegLib.comparePanel</name>
    <message>
      <source>Both segments are empty.</source>
      <translation>Les deux segments sont vides.</translation>
    </message>
    <message>
      <source>Cancelled.</source>
      <translation>Annulé.</translation>
    </message>
    <message>
      <source>Comparing…</source>
      <translation>Comparaison…</translation>
    </message>
    <message>
      <source>Dice {dice:.3f}, clDice {cldice:.3f}, 95 % Hausdorff distance {hd95:.1f} mm. The table, what differs and the distances are in the scene.</source>
      <translation>Dice {dice:.3f}, clDice {cldice:.3f}, distance de Hausdorff à 95 % {hd95:.1f} mm. Le tableau, les différences et les distances sont dans la scène.</translation>
    </message>
    <message>
      <source>Writing…</source>
      <translation>Écriture…</translation>
    </message>
    <message>
      <source>{case} was added.</source>
      <translation>{case} a été ajouté.</translation>
    </message>
    <message>
      <source>{case} was renewed; its former labels are kept.</source>
      <translation>{case} a été renouvelé ; ses anciennes étiquettes sont gardées.</translation>
    </message>
  </context>
  <context>
    <name>MedSegLib.devicePanel</name>
    <message>
      <source>Automatic</source>
      <translation>Automatique</translation>
    </message>
    <message>
      <source>Automatic: {device}</source>
      <translation>Automatique : {device}</translation>
    </message>
    <message>
      <source>Not usable:</source>
      <translation>Inutilisable :</translation>
    </message>
    <message>
      <source>Where the network runs. Automatic takes a graphics processor where one works, else the processor.</source>
      <translation>Où le réseau est calculé. Le choix automatique prend une carte graphique si elle fonctionne, sinon le processeur.</translation>
    </message>
    <message>
      <source>graphics processor</source>
      <translation>carte graphique</translation>
    </message>
    <message>
      <source>processor</source>
      <translation>processeur</translation>
    </message>
    <message>
      <source>{device} (not found on this computer)</source>
      <translation>{device} (introuvable sur cet ordinateur)</translation>
    </message>
    <message>
      <source>{device}, {size:.0f} GB free</source>
      <translation>{device}, {size:.0f} Go libres</translation>
    </message>
  </context>
  <context>
    <name>MedSegLib.ductsCompare</name>
    <message>
      <source>95 % Hausdorff distance (mm)</source>
      <translation>Distance de Hausdorff à 95 % (mm)</translation>
    </message>
    <message>
      <source>Dice</source>
      <translation>Dice</translation>
    </message>
    <message>
      <source>Figure</source>
      <translation>Mesure</translation>
    </message>
    <message>
      <source>IoU</source>
      <translation>IoU</translation>
    </message>
    <message>
      <source>Mean surface distance (mm)</source>
      <translation>Distance moyenne des surfaces (mm)</translation>
    </message>
    <message>
      <source>Note</source>
      <translation>Remarque</translation>
    </message>
    <message>
      <source>Parts, difference</source>
      <translation>Parties, différence</translation>
    </message>
    <message>
      <source>Precision</source>
      <translation>Précision</translation>
    </message>
    <message>
      <source>Recall</source>
      <translation>Rappel</translation>
    </message>
    <message>
      <source>Surface Dice at 1 mm</source>
      <translation>Dice de surface à 1 mm</translation>
    </message>
    <message>
      <source>Value</source>
      <translation>Valeur</translation>
    </message>
    <message>
      <source>Volume (ml)</source>
      <translation>Volume (ml)</translation>
    </message>
    <message>
      <source>Volume difference (%)</source>
      <translation>Différence de volume (%)</translation>
    </message>
    <message>
      <source>Volume of the reference (ml)</source>
      <translation>Volume de la référence (ml)</translation>
    </message>
    <message>
      <source>clDice</source>
      <translation>clDice</translation>
    </message>
    <message>
      <source>missing</source>
      <translation>manquant</translation>
    </message>
    <message>
      <source>too much</source>
      <translation>en trop</translation>
    </message>
    <message>
      <source>{name}: differences</source>
      <translation>{name} : différences</translation>
    </message>
    <message>
      <source>{name}: surface distance</source>
      <translation>{name} : distance des surfaces</translation>
    </message>
    <message>
      <source>{prediction} against {reference}</source>
      <translation>{prediction} contre {reference}</translation>
    </message>
  </context>
  <context>
    <name>MedSegLib.ductsPanel</name>
    <message>
      <source>Calibre</source>
      <translation>Calibre</translation>
    </message>
    <message>
      <source>Cancelled.</source>
      <translation>Annulé.</translation>
    </message>
    <message>
      <source>Duct</source>
      <translation>Canal</translation>
    </message>
    <message>
      <source>Expected</source>
      <translation>Attendu</translation>
    </message>
    <message>
      <source>Finding</source>
      <translation>Constat</translation>
    </message>
    <message>
      <source>Length (mm)</source>
      <translation>Longueur (mm)</translation>
    </message>
    <message>
      <source>Mean</source>
      <translation>Moyenne</translation>
    </message>
    <message>
      <source>Measuring…</source>
      <translation>Mesure…</translation>
    </message>
    <message>
      <source>Narrowest</source>
      <translation>Le plus étroit</translation>
    </message>
    <message>
      <source>No place stands out.</source>
      <translation>Aucun lieu ne se distingue.</translation>
    </message>
    <message>
      <source>Place {number} of {count}: {text}</source>
      <translation>Lieu {number} sur {count} : {text}</translation>
    </message>
    <message>
      <source>There is nothing to follow in this segment.</source>
      <translation>Il n'y a rien à suivre dans ce segment.</translation>
    </message>
    <message>
      <source>no lumen</source>
      <translation>pas de lumière</translation>
    </message>
    <message>
      <source>{count} branches, {length:.0f} mm, {volume:.1f} ml; candidate strictures: {strictures}.</source>
      <translation>{count} branches, {length:.0f} mm, {volume:.1f} ml ; sténoses candidates : {strictures}.</translation>
    </message>
    <message>
      <source>{count} places to look at, the most doubtful first.</source>
      <translation>{count} lieux à regarder, le plus douteux d'abord.</translation>
    </message>
  </context>
  <context>
    <name>MedSegLib.ductsReview</name>
    <message>
      <source>A part of {volume:.2f} ml hangs on nothing, {gap:.0f} mm from the next.</source>
      <translation>Une partie de {volume:.2f} ml ne tient à rien, à {gap:.0f} mm de la suivante.</translation>
    </message>
    <message>
      <source>Branch {number} is thinner than the voxels resolve (below {bound:.1f} mm).</source>
      <translation>La branche {number} est plus fine que la résolution des voxels (moins de {bound:.1f} mm).</translation>
    </message>
    <message>
      <source>Candidate dilatation: {found:.1f} mm where {expected:.1f} mm are expected.</source>
      <translation>Dilatation candidate : {found:.1f} mm là où {expected:.1f} mm sont attendus.</translation>
    </message>
    <message>
      <source>Candidate stricture: {found:.1f} mm where {expected:.1f} mm are expected.</source>
      <translation>Sténose candidate : {found:.1f} mm là où {expected:.1f} mm sont attendus.</translation>
    </message>
    <message>
      <source>Slice {number}: {area:.0f} mm² undecided.</source>
      <translation>Coupe {number} : {area:.0f} mm² indécis.</translation>
    </message>
    <message>
      <source>The duct breaks off: {gap:.1f} mm to the next end.</source>
      <translation>Le canal s'interrompt : {gap:.1f} mm jusqu'au bout suivant.</translation>
    </message>
  </context>
  <context>
    <name>MedSegLib.ductsScene</name>
    <message>
      <source>Branch</source>
      <translation>Branche</translation>
    </message>
    <message>
      <source>Calibre</source>
      <translation>Calibre</translation>
    </message>
    <message>
      <source>Calibre (mm)</source>
      <translation>Calibre (mm)</translation>
    </message>
    <message>
      <source>Calibre from the papilla to the periphery</source>
      <translation>Calibre de la papille à la périphérie</translation>
    </message>
    <message>
      <source>Expected (mm)</source>
      <translation>Attendu (mm)</translation>
    </message>
    <message>
      <source>Finding</source>
      <translation>Constat</translation>
    </message>
    <message>
      <source>Grade</source>
      <translation>Degré</translation>
    </message>
    <message>
      <source>Length (mm)</source>
      <translation>Longueur (mm)</translation>
    </message>
    <message>
      <source>Mean calibre</source>
      <translation>Calibre moyen</translation>
    </message>
    <message>
      <source>Narrowest</source>
      <translation>Le plus étroit</translation>
    </message>
    <message>
      <source>Part</source>
      <translation>Partie</translation>
    </message>
    <message>
      <source>Tortuosity</source>
      <translation>Tortuosité</translation>
    </message>
    <message>
      <source>branch {number}</source>
      <translation>branche {number}</translation>
    </message>
    <message>
      <source>calibre (mm)</source>
      <translation>calibre (mm)</translation>
    </message>
    <message>
      <source>candidate dilatation</source>
      <translation>dilatation candidate</translation>
    </message>
    <message>
      <source>candidate stricture</source>
      <translation>sténose candidate</translation>
    </message>
    <message>
      <source>distance (mm)</source>
      <translation>distance (mm)</translation>
    </message>
    <message>
      <source>gap of {gap:.1f} mm</source>
      <translation>lacune de {gap:.1f} mm</translation>
    </message>
    <message>
      <source>no lumen</source>
      <translation>pas de lumière</translation>
    </message>
    <message>
      <source>possible complete stricture</source>
      <translation>sténose complète possible</translation>
    </message>
    <message>
      <source>{name}: branches</source>
      <translation>{name} : branches</translation>
    </message>
    <message>
      <source>{name}: calibre</source>
      <translation>{name} : calibre</translation>
    </message>
    <message>
      <source>{name}: centreline, {way}</source>
      <translation>{name} : ligne centrale, {way}</translation>
    </message>
    <message>
      <source>{name}: ducts</source>
      <translation>{name} : canaux</translation>
    </message>
    <message>
      <source>{name}: findings</source>
      <translation>{name} : constats</translation>
    </message>
    <message>
      <source>{name}: findings (table)</source>
      <translation>{name} : constats (tableau)</translation>
    </message>
    <message>
      <source>{name}: gaps</source>
      <translation>{name} : lacunes</translation>
    </message>
    <message>
      <source>{name}: profile, {way}</source>
      <translation>{name} : profil, {way}</translation>
    </message>
    <message>
      <source>{name}: tree by calibre</source>
      <translation>{name} : arbre selon le calibre</translation>
    </message>
  </context>
  <context>
    <name>MedSegLib.fitCheck</name>
    <message>
      <source>Choose a volume.</source>
      <translation>Choisissez un volume.</translation>
    </message>
    <message>
      <source>Please check the contrast yourself: the model is for {contrast}.</source>
      <translation>Vérifiez vous-même le contraste : le modèle est fait pour {contrast}.</translation>
    </message>
    <message>
      <source>The model needs {count} volumes: {names}.</source>
      <translation>Le modèle demande {count} volumes : {names}.</translation>
    </message>
    <message>
      <source>The volume does not say its modality; the model is for {modality}.</source>
      <translation>Le volume ne dit pas sa modalité ; le modèle est fait pour {modality}.</translation>
    </message>
    <message>
      <source>The volume fits what the model was made for, as far as can be checked.</source>
      <translation>Le volume convient au modèle, autant qu'on puisse le vérifier.</translation>
    </message>
  </context>
  <context>
    <name>MedSegLib.inputPanel</name>
    <message>
      <source>Another volume of the same patient on the same grid.</source>
      <translation>Un autre volume du même patient sur la même grille.</translation>
    </message>
    <message>
      <source>Volume:</source>
      <translation>Volume :</translation>
    </message>
    <message>
      <source>{name}:</source>
      <translation>{name} :</translation>
    </message>
  </context>
  <context>
    <name>MedSegLib.installPanel</name>
    <message>
      <source>A Python package is only half installed ({reason}). Install it again?</source>
      <translation>Un paquet Python n'est installé qu'à moitié ({reason}). L'installer de nouveau ?</translation>
    </message>
    <message>
      <source>A package was not found: {reason}. The folder must hold wheels for this Python.</source>
      <translation>Un paquet est introuvable : {reason}. Le dossier doit contenir des « wheels » pour ce Python.</translation>
    </message>
    <message>
      <source>Folder of wheels</source>
      <translation>Dossier de paquets « wheel »</translation>
    </message>
    <message>
      <source>For this, MedSeg needs Python packages that are not installed: {packages}. Download them from the Python Package Index and install them into this Slicer?</source>
      <translation>Pour cela, MedSeg a besoin de paquets Python qui ne sont pas installés : {packages}. Les télécharger depuis le Python Package Index et les installer dans ce Slicer ?</translation>
    </message>
    <message>
      <source>Install</source>
      <translation>Installer</translation>
    </message>
    <message>
      <source>Install ONNX Runtime</source>
      <translation>Installer ONNX Runtime</translation>
    </message>
    <message>
      <source>Installed. Slicer must be restarted, because it had loaded {packages} before.</source>
      <translation>Installé. Il faut redémarrer Slicer, car il avait déjà chargé {packages}.</translation>
    </message>
    <message>
      <source>Installing ended: {state} {explanation}</source>
      <translation>Fin de l'installation : {state} {explanation}</translation>
    </message>
    <message>
      <source>Installing failed: {reason}. The log below has the details.</source>
      <translation>L'installation a échoué : {reason}. Le journal ci-dessous donne les détails.</translation>
    </message>
    <message>
      <source>Installing {packages}</source>
      <translation>Installation de {packages}</translation>
    </message>
    <message>
      <source>Installing…</source>
      <translation>Installation…</translation>
    </message>
    <message>
      <source>Installing… {line}</source>
      <translation>Installation… {line}</translation>
    </message>
    <message>
      <source>Nothing was installed, so models cannot run. Press the button when you want to.</source>
      <translation>Rien n'a été installé : les modèles ne peuvent pas fonctionner. Appuyez sur le bouton quand vous voudrez.</translation>
    </message>
    <message>
      <source>Nothing was installed.</source>
      <translation>Rien n'a été installé.</translation>
    </message>
    <message>
      <source>PyTorch comes with Slicer's extension PyTorch: install it in the Extensions Manager, restart Slicer, open the module PyTorch Utils, press Install, and come back.</source>
      <translation>PyTorch vient avec l'extension PyTorch de Slicer : installez-la dans le gestionnaire d'extensions, redémarrez Slicer, ouvrez le module PyTorch Utils, appuyez sur Install, puis revenez.</translation>
    </message>
    <message>
      <source>Repair</source>
      <translation>Réparer</translation>
    </message>
    <message>
      <source>The Python Package Index could not be reached. Check the network or proxy and try again, or install from a folder of wheels (see the documentation).</source>
      <translation>Le Python Package Index est injoignable. Vérifiez le réseau ou le proxy et réessayez, ou installez depuis un dossier de paquets « wheel » (voir la documentation).</translation>
    </message>
    <message>
      <source>The disk is full. Free some space and try again.</source>
      <translation>Le disque est plein. Libérez de la place et réessayez.</translation>
    </message>
    <message>
      <source>These Python packages are too old for MedSeg: {packages}. Update them?</source>
      <translation>Ces paquets Python sont trop anciens pour MedSeg : {packages}. Les mettre à jour ?</translation>
    </message>
    <message>
      <source>This model needs PyTorch, which is not installed ({reason}).</source>
      <translation>Ce modèle a besoin de PyTorch, qui n'est pas installé ({reason}).</translation>
    </message>
    <message>
      <source>To run models, MedSeg needs Python packages that are not installed: {packages}. Download them from the Python Package Index and install them into this Slicer?</source>
      <translation>Pour utiliser des modèles, MedSeg a besoin de paquets Python qui ne sont pas installés : {packages}. Les télécharger du Python Package Index et les installer dans ce Slicer ?</translation>
    </message>
    <message>
      <source>Try again</source>
      <translation>Réessayer</translation>
    </message>
    <message>
      <source>Update</source>
      <translation>Mettre à jour</translation>
    </message>
  </context>
  <context>
    <name>MedSegLib.installer</name>
    <message>
      <source>pip ended with status {code}</source>
      <translation>pip s'est terminé avec le code {code}</translation>
    </message>
  </context>
  <context>
    <name>MedSegLib.messageTexts</name>
    <message>
      <source>Slicer could not make a label map</source>
      <translation>Slicer n'a pas pu faire de carte d'étiquettes</translation>
    </message>
    <message>
      <source>Slicer could not write the label map</source>
      <translation>Slicer n'a pas pu écrire la carte d'étiquettes</translation>
    </message>
    <message>
      <source>Slicer could not write the segmentation</source>
      <translation>Slicer n'a pas pu écrire la segmentation</translation>
    </message>
    <message>
      <source>Slicer wrote no file</source>
      <translation>Slicer n'a écrit aucun fichier</translation>
    </message>
    <message>
      <source>a 4D image</source>
      <translation>une image 4D</translation>
    </message>
    <message>
      <source>a batch has the shape (slices, channels, height, width), this one is {shape}</source>
      <translation>un lot a la forme (coupes, canaux, hauteur, largeur), celui-ci {shape}</translation>
    </message>
    <message>
      <source>a colour or vector image</source>
      <translation>une image en couleurs ou vectorielle</translation>
    </message>
    <message>
      <source>a diffusion tensor image</source>
      <translation>une image de tenseurs de diffusion</translation>
    </message>
    <message>
      <source>a diffusion weighted image with several directions</source>
      <translation>une image de diffusion à plusieurs directions</translation>
    </message>
    <message>
      <source>a label map, not an image</source>
      <translation>une carte d'étiquettes, pas une image</translation>
    </message>
    <message>
      <source>a message describes an array that this side does not take</source>
      <translation>un message décrit un tableau que ce côté-ci n'accepte pas</translation>
    </message>
    <message>
      <source>a safetensors file needs a card that names the architecture: its weights are not recognised</source>
      <translation>un fichier safetensors demande une fiche qui nomme l'architecture : ses poids ne sont pas reconnus</translation>
    </message>
    <message>
      <source>a sequence browser</source>
      <translation>un navigateur de séquence</translation>
    </message>
    <message>
      <source>a sequence of images</source>
      <translation>une séquence d'images</translation>
    </message>
    <message>
      <source>a tensor image</source>
      <translation>une image de tenseurs</translation>
    </message>
    <message>
      <source>a volume node is needed, not {kind}</source>
      <translation>il faut un nœud de volume, non {kind}</translation>
    </message>
    <message>
      <source>acquisition</source>
      <translation>d'acquisition</translation>
    </message>
    <message>
      <source>add it again</source>
      <translation>ajoutez-le de nouveau</translation>
    </message>
    <message>
      <source>add the missing axes</source>
      <translation>ajoutez les axes manquants</translation>
    </message>
    <message>
      <source>all segments of the last run were changed since</source>
      <translation>tous les segments de la dernière exécution ont été modifiés depuis</translation>
    </message>
    <message>
      <source>an array of {type} cannot be handed to the worker</source>
      <translation>un tableau de {type} ne peut pas être passé au processus de calcul</translation>
    </message>
    <message>
      <source>an empty segment has none; OBJ needs a 3D display</source>
      <translation>un segment vide n'en a pas ; OBJ demande un affichage 3D</translation>
    </message>
    <message>
      <source>an exchanged array cannot be read ({reason})</source>
      <translation>un tableau échangé ne peut pas être lu ({reason})</translation>
    </message>
    <message>
      <source>an exchanged array holds {found} bytes, not {wanted}</source>
      <translation>un tableau échangé tient {found} octets, et non {wanted}</translation>
    </message>
    <message>
      <source>an input volume has one and the same value everywhere; nothing can be found in it</source>
      <translation>un volume d'entrée a partout la même valeur ; on ne peut rien y trouver</translation>
    </message>
    <message>
      <source>ask for one of {names}</source>
      <translation>demandez l'une de : {names}</translation>
    </message>
    <message>
      <source>at least moderate, below what the voxels resolve</source>
      <translation>au moins modérée, sous la résolution des voxels</translation>
    </message>
    <message>
      <source>axial</source>
      <translation>axial</translation>
    </message>
    <message>
      <source>backend {name} cannot run {format} files</source>
      <translation>le moteur {name} ne peut pas exécuter les fichiers {format}</translation>
    </message>
    <message>
      <source>begin another folder</source>
      <translation>commencez un autre dossier</translation>
    </message>
    <message>
      <source>branch {number}</source>
      <translation>branche {number}</translation>
    </message>
    <message>
      <source>check the card's normalisation, or try another backend or device</source>
      <translation>vérifiez la normalisation de la fiche, ou essayez un autre moteur ou un autre appareil</translation>
    </message>
    <message>
      <source>check the path</source>
      <translation>vérifiez le chemin</translation>
    </message>
    <message>
      <source>check the path and the permissions</source>
      <translation>vérifiez le chemin et les permissions</translation>
    </message>
    <message>
      <source>choose a folder you may write to</source>
      <translation>choisissez un dossier où vous pouvez écrire</translation>
    </message>
    <message>
      <source>choose a model file</source>
      <translation>choisissez un fichier de modèle</translation>
    </message>
    <message>
      <source>choose a scalar image</source>
      <translation>choisissez une image scalaire</translation>
    </message>
    <message>
      <source>choose a scalar volume</source>
      <translation>choisissez un volume scalaire</translation>
    </message>
    <message>
      <source>choose a segment</source>
      <translation>choisissez un segment</translation>
    </message>
    <message>
      <source>choose a segmentation</source>
      <translation>choisissez une segmentation</translation>
    </message>
    <message>
      <source>choose a segmentation, or none for a new one</source>
      <translation>choisissez une segmentation, ou aucune pour en créer une</translation>
    </message>
    <message>
      <source>choose a volume</source>
      <translation>choisissez un volume</translation>
    </message>
    <message>
      <source>choose an input volume</source>
      <translation>choisissez un volume d'entrée</translation>
    </message>
    <message>
      <source>choose another folder</source>
      <translation>choisissez un autre dossier</translation>
    </message>
    <message>
      <source>choose another interpreter, or install the application again</source>
      <translation>choisissez un autre interpréteur, ou réinstallez l'application</translation>
    </message>
    <message>
      <source>choose another model or volume</source>
      <translation>choisissez un autre modèle ou un autre volume</translation>
    </message>
    <message>
      <source>choose another one</source>
      <translation>choisissez-en un autre</translation>
    </message>
    <message>
      <source>choose another segmentation, or make its binary labelmap the source in Segmentations</source>
      <translation>choisissez une autre segmentation, ou faites de sa carte binaire la source dans Segmentations</translation>
    </message>
    <message>
      <source>choose at least one</source>
      <translation>choisissez-en au moins un</translation>
    </message>
    <message>
      <source>choose the folder of the training set</source>
      <translation>choisissez le dossier du jeu d'entraînement</translation>
    </message>
    <message>
      <source>choose the image that it was drawn on</source>
      <translation>choisissez l'image sur laquelle elle a été dessinée</translation>
    </message>
    <message>
      <source>choose the volume it was drawn on</source>
      <translation>choisissez le volume sur lequel il a été dessiné</translation>
    </message>
    <message>
      <source>choose the volume that it shows</source>
      <translation>choisissez le volume qu'il montre</translation>
    </message>
    <message>
      <source>choose the volume that the sequence browser shows</source>
      <translation>choisissez le volume que montre le navigateur de séquence</translation>
    </message>
    <message>
      <source>choose them again and run it again</source>
      <translation>choisissez-les de nouveau et relancez</translation>
    </message>
    <message>
      <source>close other programs</source>
      <translation>fermez d'autres programmes</translation>
    </message>
    <message>
      <source>close other programs, or use a smaller volume or a smaller model</source>
      <translation>fermez d'autres programmes, ou prenez un volume ou un modèle plus petit</translation>
    </message>
    <message>
      <source>common bile duct</source>
      <translation>cholédoque</translation>
    </message>
    <message>
      <source>compare segments of one volume</source>
      <translation>comparez des segments d'un même volume</translation>
    </message>
    <message>
      <source>compare segments of the scene</source>
      <translation>comparez des segments de la scène</translation>
    </message>
    <message>
      <source>confluence</source>
      <translation>confluence</translation>
    </message>
    <message>
      <source>convert it with the module Vector to Scalar Volume</source>
      <translation>convertissez-le avec le module Vector to Scalar Volume</translation>
    </message>
    <message>
      <source>copy or download it again</source>
      <translation>copiez-le ou téléchargez-le de nouveau</translation>
    </message>
    <message>
      <source>coronal</source>
      <translation>coronal</translation>
    </message>
    <message>
      <source>correct input.channels or input.context in the card</source>
      <translation>corrigez input.channels ou input.context dans la fiche</translation>
    </message>
    <message>
      <source>correct its permissions, or set TMPDIR to another folder</source>
      <translation>corrigez ses permissions, ou désignez un autre dossier par TMPDIR</translation>
    </message>
    <message>
      <source>correct its spacing in Volumes</source>
      <translation>corrigez son espacement dans Volumes</translation>
    </message>
    <message>
      <source>correct output.labels or output.background_channel in the card</source>
      <translation>corrigez output.labels ou output.background_channel dans la fiche</translation>
    </message>
    <message>
      <source>device {device} has not enough memory {what}</source>
      <translation>l'appareil {device} n'a pas assez de mémoire {what}</translation>
    </message>
    <message>
      <source>device {device} is not usable ({reasons})</source>
      <translation>l'appareil {device} n'est pas utilisable ({reasons})</translation>
    </message>
    <message>
      <source>device {device} ran out of memory; the model went on on the CPU</source>
      <translation>la mémoire de {device} n'a pas suffi ; le modèle a continué sur le processeur</translation>
    </message>
    <message>
      <source>draw something, or segment a volume first</source>
      <translation>dessinez quelque chose, ou segmentez d'abord un volume</translation>
    </message>
    <message>
      <source>ducts that touch side to side in the mask were taken apart in {places}</source>
      <translation>des canaux qui se touchent dans le masque ont été séparés en {places}</translation>
    </message>
    <message>
      <source>export it from its framework without this</source>
      <translation>exportez-le de son environnement sans cela</translation>
    </message>
    <message>
      <source>extract one time point from it first</source>
      <translation>extrayez-en d'abord un instant</translation>
    </message>
    <message>
      <source>extract one volume from it first</source>
      <translation>extrayez-en d'abord un volume</translation>
    </message>
    <message>
      <source>focal dilatation</source>
      <translation>dilatation focale</translation>
    </message>
    <message>
      <source>free space in the temporary folder</source>
      <translation>libérez de la place dans le dossier temporaire</translation>
    </message>
    <message>
      <source>free space in the temporary folder, or set TMPDIR to another one</source>
      <translation>libérez de la place dans le dossier temporaire, ou désignez-en un autre par TMPDIR</translation>
    </message>
    <message>
      <source>free {size} MiB there</source>
      <translation>libérez-y {size} Mio</translation>
    </message>
    <message>
      <source>give a model file</source>
      <translation>donnez un fichier de modèle</translation>
    </message>
    <message>
      <source>give a number from 0 to 1</source>
      <translation>donnez un nombre de 0 à 1</translation>
    </message>
    <message>
      <source>give a segmentation network, and correct input.size in the card</source>
      <translation>donnez un réseau de segmentation, et corrigez input.size dans la fiche</translation>
    </message>
    <message>
      <source>give back segments of this volume</source>
      <translation>rendez des segments de ce volume</translation>
    </message>
    <message>
      <source>give one</source>
      <translation>donnez-en un</translation>
    </message>
    <message>
      <source>give one of: {formats}</source>
      <translation>donnez l'un de : {formats}</translation>
    </message>
    <message>
      <source>give the model file inside it</source>
      <translation>donnez le fichier de modèle qu'il contient</translation>
    </message>
    <message>
      <source>harden the transform first</source>
      <translation>durcissez d'abord la transformation</translation>
    </message>
    <message>
      <source>harden the transform on the volume first</source>
      <translation>durcissez d'abord la transformation du volume</translation>
    </message>
    <message>
      <source>image and labels do not lie on one grid</source>
      <translation>l'image et les étiquettes ne sont pas sur une même grille</translation>
    </message>
    <message>
      <source>inside the file</source>
      <translation>dans le fichier</translation>
    </message>
    <message>
      <source>install it with Slicer's extension PyTorch</source>
      <translation>installez-le avec l'extension PyTorch de Slicer</translation>
    </message>
    <message>
      <source>install it: {how}</source>
      <translation>installez-le : {how}</translation>
    </message>
    <message>
      <source>install that package again</source>
      <translation>réinstallez ce paquet</translation>
    </message>
    <message>
      <source>install the extension QuantitativeReporting</source>
      <translation>installez l'extension QuantitativeReporting</translation>
    </message>
    <message>
      <source>install the extension again</source>
      <translation>réinstallez l'extension</translation>
    </message>
    <message>
      <source>install the extension again, so that all its files are of one version</source>
      <translation>réinstallez l'extension, pour que tous ses fichiers soient d'une même version</translation>
    </message>
    <message>
      <source>install them: {how}</source>
      <translation>installez-les : {how}</translation>
    </message>
    <message>
      <source>install what is asked for at the top of the panel</source>
      <translation>installez ce qui est demandé en haut du panneau</translation>
    </message>
    <message>
      <source>is a folder, and no model package of a known kind</source>
      <translation>est un dossier, et non un paquet de modèle d'un type connu</translation>
    </message>
    <message>
      <source>is not an ordinary file</source>
      <translation>n'est pas un fichier ordinaire</translation>
    </message>
    <message>
      <source>it answers NaN or infinity to noise</source>
      <translation>il répond NaN ou l'infini à du bruit</translation>
    </message>
    <message>
      <source>leave the temporary folder alone while the worker runs</source>
      <translation>laissez le dossier temporaire tranquille pendant le calcul</translation>
    </message>
    <message>
      <source>left hepatic duct</source>
      <translation>canal hépatique gauche</translation>
    </message>
    <message>
      <source>left side</source>
      <translation>côté gauche</translation>
    </message>
    <message>
      <source>load and save it once with a newer PyTorch</source>
      <translation>ouvrez-le et enregistrez-le une fois avec un PyTorch plus récent</translation>
    </message>
    <message>
      <source>load the image again, or choose another volume</source>
      <translation>chargez de nouveau l'image, ou choisissez un autre volume</translation>
    </message>
    <message>
      <source>look into its log</source>
      <translation>regardez son journal</translation>
    </message>
    <message>
      <source>look into the application's log</source>
      <translation>regardez le journal de l'application</translation>
    </message>
    <message>
      <source>lower end of the common bile duct</source>
      <translation>extrémité inférieure du cholédoque</translation>
    </message>
    <message>
      <source>measure a segment of the scene</source>
      <translation>mesurez un segment de la scène</translation>
    </message>
    <message>
      <source>measure them one by one</source>
      <translation>mesurez-les un par un</translation>
    </message>
    <message>
      <source>memory ran out</source>
      <translation>la mémoire n'a pas suffi</translation>
    </message>
    <message>
      <source>mild</source>
      <translation>légère</translation>
    </message>
    <message>
      <source>moderate</source>
      <translation>modérée</translation>
    </message>
    <message>
      <source>no folder was given</source>
      <translation>aucun dossier n'a été donné</translation>
    </message>
    <message>
      <source>no input volume was given</source>
      <translation>aucun volume d'entrée n'a été donné</translation>
    </message>
    <message>
      <source>no model file was given</source>
      <translation>aucun fichier de modèle n'a été donné</translation>
    </message>
    <message>
      <source>no name to write to was given</source>
      <translation>aucun nom de fichier à écrire n'a été donné</translation>
    </message>
    <message>
      <source>no output file was given</source>
      <translation>aucun fichier de sortie n'a été donné</translation>
    </message>
    <message>
      <source>no part is long enough for a centreline: only volume and surface are measured</source>
      <translation>aucune partie n'est assez longue pour une ligne centrale : seuls le volume et la surface sont mesurés</translation>
    </message>
    <message>
      <source>no private temporary folder can be made ({reason})</source>
      <translation>aucun dossier temporaire privé ne peut être créé ({reason})</translation>
    </message>
    <message>
      <source>no segment was chosen</source>
      <translation>aucun segment n'a été choisi</translation>
    </message>
    <message>
      <source>no segmentation was given</source>
      <translation>aucune segmentation n'a été donnée</translation>
    </message>
    <message>
      <source>no such device was found</source>
      <translation>aucun appareil de ce nom n'a été trouvé</translation>
    </message>
    <message>
      <source>no volume was given</source>
      <translation>aucun volume n'a été donné</translation>
    </message>
    <message>
      <source>no {what} was given</source>
      <translation>il manque : {what}</translation>
    </message>
    <message>
      <source>none</source>
      <translation>aucun</translation>
    </message>
    <message>
      <source>none of the backends {names} is installed</source>
      <translation>aucun des moteurs {names} n'est installé</translation>
    </message>
    <message>
      <source>not enough memory for a single slice on the CPU</source>
      <translation>pas assez de mémoire pour une seule coupe sur le processeur</translation>
    </message>
    <message>
      <source>nothing was found; the highest probability seen was {seen}</source>
      <translation>rien n'a été trouvé ; la plus haute probabilité vue est {seen}</translation>
    </message>
    <message>
      <source>part {number} contains {loops}; bile ducts have none: ducts that touch in the mask, or a hole in it</source>
      <translation>la partie {number} contient {loops} ; les voies biliaires n'en ont pas : des canaux qui se touchent dans le masque, ou un trou</translation>
    </message>
    <message>
      <source>pass a node, for example slicer.util.getNode('name')</source>
      <translation>donnez un nœud, par exemple slicer.util.getNode('nom')</translation>
    </message>
    <message>
      <source>pixels in the slice lie {found} mm apart; the model was trained on {low} to {high} mm</source>
      <translation>les pixels de la coupe sont espacés de {found} mm ; le modèle a été entraîné de {low} à {high} mm</translation>
    </message>
    <message>
      <source>possibly complete: no lumen labelled between two ends</source>
      <translation>peut-être complète : aucune lumière segmentée entre deux extrémités</translation>
    </message>
    <message>
      <source>press Segment in the module MedSeg, or run {command} in the Python console</source>
      <translation>appuyez sur Segmenter dans le module MedSeg, ou exécutez {command} dans la console Python</translation>
    </message>
    <message>
      <source>put both under the same transform, or choose no segmentation for a new one</source>
      <translation>mettez les deux sous la même transformation, ou ne choisissez aucune segmentation pour en créer une</translation>
    </message>
    <message>
      <source>put it beside the file as {name}</source>
      <translation>mettez-la à côté du fichier sous le nom {name}</translation>
    </message>
    <message>
      <source>reinstall it: {how}</source>
      <translation>réinstallez-le : {how}</translation>
    </message>
    <message>
      <source>remove them in Segment Editor</source>
      <translation>retirez-les dans Segment Editor</translation>
    </message>
    <message>
      <source>report it with the application's log</source>
      <translation>signalez-le avec le journal de l'application</translation>
    </message>
    <message>
      <source>resample the volume onto a regular grid, for example with Resample Scalar Volume</source>
      <translation>rééchantillonnez le volume sur une grille régulière, par exemple avec Resample Scalar Volume</translation>
    </message>
    <message>
      <source>right hepatic duct</source>
      <translation>canal hépatique droit</translation>
    </message>
    <message>
      <source>right side</source>
      <translation>côté droit</translation>
    </message>
    <message>
      <source>run it again</source>
      <translation>relancez-la</translation>
    </message>
    <message>
      <source>run it again with keepScores=True</source>
      <translation>relancez-la avec keepScores=True</translation>
    </message>
    <message>
      <source>sagittal</source>
      <translation>sagittal</translation>
    </message>
    <message>
      <source>say where the segmentation shall go</source>
      <translation>dites où doit aller la segmentation</translation>
    </message>
    <message>
      <source>seen from the output segmentation the volume is sheared</source>
      <translation>vu de la segmentation de sortie, le volume est cisaillé</translation>
    </message>
    <message>
      <source>set input.size in the card to mode resize or pad_or_crop with that height and width</source>
      <translation>mettez input.size de la fiche au mode resize ou pad_or_crop avec cette hauteur et cette largeur</translation>
    </message>
    <message>
      <source>set input.size in the card to mode resize or pad_or_crop with the network's size</source>
      <translation>mettez input.size de la fiche au mode resize ou pad_or_crop avec la taille du réseau</translation>
    </message>
    <message>
      <source>set its source geometry in Segment Editor</source>
      <translation>fixez sa géométrie source dans Segment Editor</translation>
    </message>
    <message>
      <source>severe</source>
      <translation>sévère</translation>
    </message>
    <message>
      <source>slices lie {found} mm apart; the model was trained on {low} to {high} mm</source>
      <translation>les coupes sont espacées de {found} mm ; le modèle a été entraîné de {low} à {high} mm</translation>
    </message>
    <message>
      <source>slices of {found} were cropped to {kept}; nothing outside is segmented</source>
      <translation>des coupes de {found} ont été rognées à {kept} ; rien n'est segmenté au dehors</translation>
    </message>
    <message>
      <source>slices of {rows}×{columns} voxels are smaller than any network was trained on; is {plane} the right plane?</source>
      <translation>des coupes de {rows}×{columns} voxels sont plus petites que tout ce qu'un réseau a appris ; le plan {plane} est-il le bon ?</translation>
    </message>
    <message>
      <source>that segment is not there any more</source>
      <translation>ce segment n'existe plus</translation>
    </message>
    <message>
      <source>the Python interpreter {name} cannot be started ({reason})</source>
      <translation>l'interpréteur Python {name} ne peut pas être lancé ({reason})</translation>
    </message>
    <message>
      <source>the archive is damaged or cut short ({reason})</source>
      <translation>l'archive est abîmée ou tronquée ({reason})</translation>
    </message>
    <message>
      <source>the card could not be saved ({reason})</source>
      <translation>la fiche n'a pas pu être enregistrée ({reason})</translation>
    </message>
    <message>
      <source>the card's labels need {wanted} output channels, the model gives {given}</source>
      <translation>les étiquettes de la fiche demandent {wanted} canaux de sortie, le modèle en donne {given}</translation>
    </message>
    <message>
      <source>the device ran out of memory with {many} slices at once; went on with {fewer}</source>
      <translation>la mémoire de l'appareil n'a pas suffi pour {many} coupes à la fois ; suite avec {fewer}</translation>
    </message>
    <message>
      <source>the disk of the temporary folder is full</source>
      <translation>le disque du dossier temporaire est plein</translation>
    </message>
    <message>
      <source>the duct touches the edge of the image: it may go on outside</source>
      <translation>le canal touche le bord de l'image : il continue peut-être au dehors</translation>
    </message>
    <message>
      <source>the ducts lie in {count} parts that are not joined; all are measured</source>
      <translation>les canaux forment {count} parties non reliées ; toutes sont mesurées</translation>
    </message>
    <message>
      <source>the file cannot be read ({reason})</source>
      <translation>le fichier ne peut pas être lu ({reason})</translation>
    </message>
    <message>
      <source>the file cannot be written ({reason})</source>
      <translation>le fichier ne peut pas être écrit ({reason})</translation>
    </message>
    <message>
      <source>the file is empty</source>
      <translation>le fichier est vide</translation>
    </message>
    <message>
      <source>the folder cannot be read ({reason})</source>
      <translation>le dossier ne peut pas être lu ({reason})</translation>
    </message>
    <message>
      <source>the input is a {kind}, not a volume</source>
      <translation>l'entrée est un {kind}, non un volume</translation>
    </message>
    <message>
      <source>the input is {what}</source>
      <translation>l'entrée est {what}</translation>
    </message>
    <message>
      <source>the list of labels of the training set cannot be read</source>
      <translation>la liste des étiquettes du jeu d'entraînement ne peut pas être lue</translation>
    </message>
    <message>
      <source>the model answers {answer} to a batch of {batch}; a segmentation of the same size is needed</source>
      <translation>le modèle répond {answer} à un lot de {batch} ; il faut une segmentation de la même taille</translation>
    </message>
    <message>
      <source>the model has no card; still to be said: {missing}</source>
      <translation>le modèle n'a pas de fiche ; il reste à dire : {missing}</translation>
    </message>
    <message>
      <source>the model is refused: {reason}</source>
      <translation>le modèle est refusé : {reason}</translation>
    </message>
    <message>
      <source>the model takes slices of {wanted} only, the batch has {given}</source>
      <translation>le modèle ne prend que des coupes de {wanted}, le lot en a de {given}</translation>
    </message>
    <message>
      <source>the model takes {count} input volume(s) ({names}), {given} given</source>
      <translation>le modèle prend {count} volume(s) en entrée ({names}), {given} donné(s)</translation>
    </message>
    <message>
      <source>the model takes {wanted} input channels, the batch has {given}</source>
      <translation>le modèle prend {wanted} canaux d'entrée, le lot en a {given}</translation>
    </message>
    <message>
      <source>the model was trained on {wanted}, the volume is {found}</source>
      <translation>le modèle a été entraîné sur {wanted}, le volume est {found}</translation>
    </message>
    <message>
      <source>the network returned NaN or infinity on slice {number}</source>
      <translation>le réseau a rendu NaN ou l'infini à la coupe {number}</translation>
    </message>
    <message>
      <source>the network takes slices of {wanted}, the card gives it {given}</source>
      <translation>le réseau prend des coupes de {wanted}, la fiche lui en donne de {given}</translation>
    </message>
    <message>
      <source>the output is not a segmentation node</source>
      <translation>la sortie n'est pas un nœud de segmentation</translation>
    </message>
    <message>
      <source>the output segmentation is made of surfaces, not of voxels</source>
      <translation>la segmentation de sortie est faite de surfaces, non de voxels</translation>
    </message>
    <message>
      <source>the package {name} is installed but cannot be loaded ({reason})</source>
      <translation>le paquet {name} est installé mais ne peut pas être chargé ({reason})</translation>
    </message>
    <message>
      <source>the package {name} is needed and not installed</source>
      <translation>le paquet {name} est nécessaire et n'est pas installé</translation>
    </message>
    <message>
      <source>the probabilities of that run are no longer kept</source>
      <translation>les probabilités de cette exécution ne sont plus gardées</translation>
    </message>
    <message>
      <source>the probabilities of that run were not kept</source>
      <translation>les probabilités de cette exécution n'ont pas été gardées</translation>
    </message>
    <message>
      <source>the segment does not lie in the volume</source>
      <translation>le segment n'est pas dans le volume</translation>
    </message>
    <message>
      <source>the segment is empty</source>
      <translation>le segment est vide</translation>
    </message>
    <message>
      <source>the segmentation is no longer in the scene</source>
      <translation>la segmentation n'est plus dans la scène</translation>
    </message>
    <message>
      <source>the segmentation lies under a transform that is not linear</source>
      <translation>la segmentation est sous une transformation non linéaire</translation>
    </message>
    <message>
      <source>the segmentation was removed from the scene</source>
      <translation>la segmentation a été retirée de la scène</translation>
    </message>
    <message>
      <source>the segmentation was removed or undone before</source>
      <translation>la segmentation a été retirée ou annulée auparavant</translation>
    </message>
    <message>
      <source>the segmentation's geometry is broken</source>
      <translation>la géométrie de la segmentation est cassée</translation>
    </message>
    <message>
      <source>the segments could not be written ({reason})</source>
      <translation>les segments n'ont pas pu être écrits ({reason})</translation>
    </message>
    <message>
      <source>the segments do not lie on one grid</source>
      <translation>les segments ne sont pas sur une même grille</translation>
    </message>
    <message>
      <source>the sequence was removed from the scene</source>
      <translation>la séquence a été retirée de la scène</translation>
    </message>
    <message>
      <source>the temporary folder cannot be written ({reason})</source>
      <translation>on ne peut pas écrire dans le dossier temporaire ({reason})</translation>
    </message>
    <message>
      <source>the threshold {threshold} is not a probability</source>
      <translation>le seuil {threshold} n'est pas une probabilité</translation>
    </message>
    <message>
      <source>the training set cannot be written ({reason})</source>
      <translation>le jeu d'entraînement ne peut pas être écrit ({reason})</translation>
    </message>
    <message>
      <source>the training set has more than 255 labels</source>
      <translation>le jeu d'entraînement a plus de 255 étiquettes</translation>
    </message>
    <message>
      <source>the two do not lie on one grid</source>
      <translation>les deux ne sont pas sur une même grille</translation>
    </message>
    <message>
      <source>the volume has one slice; the model also looks at neighbours and gets the same slice again</source>
      <translation>le volume n'a qu'une coupe ; le modèle regarde aussi les voisines et reçoit de nouveau la même</translation>
    </message>
    <message>
      <source>the volume has {count} numbers in each voxel</source>
      <translation>le volume a {count} nombres dans chaque voxel</translation>
    </message>
    <message>
      <source>the volume lies under a transform that is not linear</source>
      <translation>le volume est sous une transformation non linéaire</translation>
    </message>
    <message>
      <source>the volume lies {angle}° from the patient's axes; the model was trained on {plane} slices and sees these turned by that much</source>
      <translation>le volume est incliné de {angle}° par rapport aux axes du patient ; le modèle a été entraîné en coupes de plan {plane} et les voit tournées d'autant</translation>
    </message>
    <message>
      <source>the volume node holds no image</source>
      <translation>le nœud de volume ne contient pas d'image</translation>
    </message>
    <message>
      <source>the volume or the segmentation was removed from the scene during the run</source>
      <translation>le volume ou la segmentation a été retiré de la scène pendant l'exécution</translation>
    </message>
    <message>
      <source>the volume was acquired in {acquired} slices, the model reads {plane} ones; expect coarse slices</source>
      <translation>le volume a été acquis en plan {acquired}, le modèle lit le plan {plane} ; attendez-vous à des coupes grossières</translation>
    </message>
    <message>
      <source>the volume was changed during the run</source>
      <translation>le volume a été modifié pendant l'exécution</translation>
    </message>
    <message>
      <source>the volume was removed from the scene</source>
      <translation>le volume a été retiré de la scène</translation>
    </message>
    <message>
      <source>the volume's axes are not perpendicular (a sheared image or transform)</source>
      <translation>les axes du volume ne sont pas perpendiculaires (image ou transformation cisaillée)</translation>
    </message>
    <message>
      <source>the volume's geometry is broken (a voxel has no size)</source>
      <translation>la géométrie du volume est cassée (un voxel n'a pas de taille)</translation>
    </message>
    <message>
      <source>the worker cannot load a package ({reason})</source>
      <translation>le processus de calcul ne peut pas charger un paquet ({reason})</translation>
    </message>
    <message>
      <source>the worker cannot start without the Python package {name}</source>
      <translation>le processus de calcul ne peut pas démarrer sans le paquet Python {name}</translation>
    </message>
    <message>
      <source>the worker knows no operation {name}</source>
      <translation>le processus de calcul ne connaît pas l'opération {name}</translation>
    </message>
    <message>
      <source>the worker process crashed ({reason})</source>
      <translation>le processus de calcul s'est effondré ({reason})</translation>
    </message>
    <message>
      <source>the worker process did not answer within {seconds} s</source>
      <translation>le processus de calcul n'a pas répondu en {seconds} s</translation>
    </message>
    <message>
      <source>the worker process ended with exit status {status}</source>
      <translation>le processus de calcul s'est terminé avec le statut {status}</translation>
    </message>
    <message>
      <source>the worker process ran out of memory</source>
      <translation>le processus de calcul a manqué de mémoire</translation>
    </message>
    <message>
      <source>the worker process was killed, most likely because memory ran out</source>
      <translation>le processus de calcul a été tué, sans doute faute de mémoire</translation>
    </message>
    <message>
      <source>the worker speaks protocol {theirs}, this side {ours}</source>
      <translation>le processus de calcul parle le protocole {theirs}, ce côté-ci {ours}</translation>
    </message>
    <message>
      <source>the worker's Python does not find the engine</source>
      <translation>le Python du processus de calcul ne trouve pas le moteur</translation>
    </message>
    <message>
      <source>there is no device {device}</source>
      <translation>il n'y a pas d'appareil {device}</translation>
    </message>
    <message>
      <source>there is no export to {kind}</source>
      <translation>il n'y a pas d'export vers {kind}</translation>
    </message>
    <message>
      <source>there is no precision {name}</source>
      <translation>il n'y a pas de précision {name}</translation>
    </message>
    <message>
      <source>there is no run to take back</source>
      <translation>il n'y a pas d'exécution à annuler</translation>
    </message>
    <message>
      <source>there is no such file</source>
      <translation>ce fichier n'existe pas</translation>
    </message>
    <message>
      <source>there is no surface to write</source>
      <translation>il n'y a pas de surface à écrire</translation>
    </message>
    <message>
      <source>this Slicer has no DICOM export</source>
      <translation>ce Slicer n'a pas d'export DICOM</translation>
    </message>
    <message>
      <source>this TorchScript file was written by PyTorch 1.3 or older</source>
      <translation>ce fichier TorchScript a été écrit par PyTorch 1.3 ou plus ancien</translation>
    </message>
    <message>
      <source>this archive holds no model of a known format</source>
      <translation>cette archive ne contient pas de modèle d'un format connu</translation>
    </message>
    <message>
      <source>this is a pickle, which can run any code when it is read</source>
      <translation>c'est un pickle, qui peut exécuter n'importe quel code à la lecture</translation>
    </message>
    <message>
      <source>this is no model file ({what})</source>
      <translation>ce n'est pas un fichier de modèle ({what})</translation>
    </message>
    <message>
      <source>try again when the computer is less busy</source>
      <translation>réessayez quand l'ordinateur est moins occupé</translation>
    </message>
    <message>
      <source>try again, and report it with the log if it comes back</source>
      <translation>réessayez, et signalez-le avec le journal si cela se répète</translation>
    </message>
    <message>
      <source>usable here: {devices}</source>
      <translation>utilisable ici : {devices}</translation>
    </message>
    <message>
      <source>use a smaller volume or model, or allow more time</source>
      <translation>prenez un volume ou un modèle plus petit, ou accordez plus de temps</translation>
    </message>
    <message>
      <source>use auto, cpu, cuda, cuda:1, ... or mps</source>
      <translation>utilisez auto, cpu, cuda, cuda:1, … ou mps</translation>
    </message>
    <message>
      <source>use it for this session</source>
      <translation>utilisez-la pour cette session</translation>
    </message>
    <message>
      <source>use one of {names}</source>
      <translation>utilisez l'un de : {names}</translation>
    </message>
    <message>
      <source>use smaller batches or device='cpu'</source>
      <translation>prenez de plus petits lots, ou le processeur</translation>
    </message>
    <message>
      <source>use {names}, or convert the model</source>
      <translation>utilisez {names}, ou convertissez le modèle</translation>
    </message>
    <message>
      <source>volume and output segmentation lie under different transforms, and one is not linear</source>
      <translation>le volume et la segmentation de sortie sont sous des transformations différentes, dont une non linéaire</translation>
    </message>
    <message>
      <source>what was compared was removed from the scene</source>
      <translation>ce qui était comparé a été retiré de la scène</translation>
    </message>
    <message>
      <source>write {"name": value, ...}</source>
      <translation>écrivez {"name": value, ...}</translation>
    </message>
    <message>
      <source>write {name}.card.json beside it or pass card=</source>
      <translation>écrivez {name}.card.json à côté de lui, ou répondez aux questions sous le modèle</translation>
    </message>
    <message>
      <source>{count} loop</source>
      <translation>{count} boucle</translation>
    </message>
    <message>
      <source>{count} loops</source>
      <translation>{count} boucles</translation>
    </message>
    <message>
      <source>{count} place</source>
      <translation>{count} endroit</translation>
    </message>
    <message>
      <source>{count} places</source>
      <translation>{count} endroits</translation>
    </message>
    <message>
      <source>{first} does not lie on the same grid as {second}</source>
      <translation>{first} n'est pas sur la même grille que {second}</translation>
    </message>
    <message>
      <source>{operation} took longer than {seconds} s and was stopped</source>
      <translation>{operation} a duré plus de {seconds} s et a été arrêté</translation>
    </message>
    <message>
      <source>{some} of {all} parts are too small or too round for a centreline; they count in the volume</source>
      <translation>{some} parties sur {all} sont trop petites ou trop rondes pour une ligne centrale ; elles comptent dans le volume</translation>
    </message>
    <message>
      <source>{some} of {all} parts have no centreline: the mask looks like noise; they count in the volume</source>
      <translation>{some} parties sur {all} n'ont pas de ligne centrale : le masque ressemble à du bruit ; elles comptent dans le volume</translation>
    </message>
    <message>
      <source>{volume} ml of cavities inside the duct were filled for the calibre and the surface; the volume is without them</source>
      <translation>{volume} ml de cavités dans le canal ont été comblées pour le calibre et la surface ; le volume ne les compte pas</translation>
    </message>
    <message>
      <source>{what} lie {found} mm apart; the model was trained on {low} to {high} mm</source>
      <translation>{what} : espacement de {found} mm ; le modèle a été entraîné de {low} à {high} mm</translation>
    </message>
  </context>
  <context>
    <name>MedSegLib.modelPanel</name>
    <message>
      <source>Choose a folder (nnU-Net, MONAI bundle)…</source>
      <translation>Choisir un dossier (nnU-Net, MONAI bundle)…</translation>
    </message>
    <message>
      <source>Folder of a model package</source>
      <translation>Dossier d'un paquet de modèle</translation>
    </message>
    <message>
      <source>Reading the model…</source>
      <translation>Lecture du modèle…</translation>
    </message>
    <message>
      <source>The model that ships: bile ducts (synthetic)</source>
      <translation>Le modèle fourni : voies biliaires (synthétique)</translation>
    </message>
    <message>
      <source>as answered in this session</source>
      <translation>réponses de cette session</translation>
    </message>
    <message>
      <source>saved beside it</source>
      <translation>enregistrée à côté</translation>
    </message>
  </context>
  <context>
    <name>MedSegLib.resultPanel</name>
    <message>
      <source>DICOM SEG…</source>
      <translation>DICOM SEG…</translation>
    </message>
    <message>
      <source>Export the segments</source>
      <translation>Exporter les segments</translation>
    </message>
    <message>
      <source>Folder for the surfaces</source>
      <translation>Dossier pour les surfaces</translation>
    </message>
    <message>
      <source>Label map (.nii.gz)…</source>
      <translation>Carte d'étiquettes (.nii.gz)…</translation>
    </message>
    <message>
      <source>Probability</source>
      <translation>Probabilité</translation>
    </message>
    <message>
      <source>Research use only.</source>
      <translation>Réservé à la recherche.</translation>
    </message>
    <message>
      <source>Result</source>
      <translation>Résultat</translation>
    </message>
    <message>
      <source>Result of {name}</source>
      <translation>Résultat de {name}</translation>
    </message>
    <message>
      <source>Segment</source>
      <translation>Segment</translation>
    </message>
    <message>
      <source>Segmentation for Slicer (.seg.nrrd)…</source>
      <translation>Segmentation pour Slicer (.seg.nrrd)…</translation>
    </message>
    <message>
      <source>Surfaces (.obj)…</source>
      <translation>Surfaces (.obj)…</translation>
    </message>
    <message>
      <source>Surfaces (.stl)…</source>
      <translation>Surfaces (.stl)…</translation>
    </message>
    <message>
      <source>The highest probability that was seen anywhere.</source>
      <translation>La plus haute probabilité vue où que ce soit.</translation>
    </message>
    <message>
      <source>The last run was taken back.</source>
      <translation>Le dernier calcul a été annulé.</translation>
    </message>
    <message>
      <source>There is no trace of it: check that the volume is what the model was made for.</source>
      <translation>Il n'y en a aucune trace : vérifiez que le volume est ce pour quoi le modèle est fait.</translation>
    </message>
    <message>
      <source>There is nothing of {name} to go to.</source>
      <translation>Rien de {name} où aller.</translation>
    </message>
    <message>
      <source>Try a lower threshold under Advanced, and check that the volume is what the model was made for.</source>
      <translation>Essayez un seuil plus bas dans les options avancées, et vérifiez que le volume convient au modèle.</translation>
    </message>
    <message>
      <source>Volume (ml)</source>
      <translation>Volume (ml)</translation>
    </message>
    <message>
      <source>Written: {files}</source>
      <translation>Écrit : {files}</translation>
    </message>
  </context>
  <context>
    <name>MedSegLib.runKinds</name>
    <message>
      <source>MedSeg time point</source>
      <translation>Instant MedSeg</translation>
    </message>
    <message>
      <source>done before: {file}</source>
      <translation>déjà fait : {file}</translation>
    </message>
    <message>
      <source>{name} segmentation</source>
      <translation>{name} segmentation</translation>
    </message>
    <message>
      <source>{name} {volume:.1f} ml</source>
      <translation>{name} {volume:.1f} ml</translation>
    </message>
  </context>
  <context>
    <name>MedSegLib.runPanel</name>
    <message>
      <source>Cancel</source>
      <translation>Annuler</translation>
    </message>
    <message>
      <source>Run this choice too, after what is running.</source>
      <translation>Lancer aussi ce choix, après le calcul en cours.</translation>
    </message>
    <message>
      <source>Segment</source>
      <translation>Segmenter</translation>
    </message>
    <message>
      <source>Segment the volume.</source>
      <translation>Segmenter le volume.</translation>
    </message>
    <message>
      <source>Starting</source>
      <translation>Démarrage</translation>
    </message>
    <message>
      <source>Stop the run; the scene stays as it was.</source>
      <translation>Arrêter le calcul ; la scène reste telle quelle.</translation>
    </message>
  </context>
  <context>
    <name>MedSegLib.sampleData</name>
    <message>
      <source>Cancel</source>
      <translation>Annuler</translation>
    </message>
    <message>
      <source>Making the synthetic MR cholangiography</source>
      <translation>Fabrication de la cholangio-IRM synthétique</translation>
    </message>
  </context>
  <context>
    <name>MedSegLib.texts</name>
    <message>
      <source>Cleaning up</source>
      <translation>Nettoyage</translation>
    </message>
    <message>
      <source>Found {names}.</source>
      <translation>Trouvé : {names}.</translation>
    </message>
    <message>
      <source>Making the synthetic image</source>
      <translation>Fabrication de l'image synthétique</translation>
    </message>
    <message>
      <source>Measuring</source>
      <translation>Mesure</translation>
    </message>
    <message>
      <source>Network</source>
      <translation>Réseau</translation>
    </message>
    <message>
      <source>Nothing was found.</source>
      <translation>Rien n'a été trouvé.</translation>
    </message>
    <message>
      <source>Opening the model</source>
      <translation>Ouverture du modèle</translation>
    </message>
    <message>
      <source>Preparing</source>
      <translation>Préparation</translation>
    </message>
    <message>
      <source>Reading the image</source>
      <translation>Lecture de l'image</translation>
    </message>
    <message>
      <source>The clean-up removes parts smaller than {volume:g} mm³.</source>
      <translation>Le nettoyage retire les parties de moins de {volume:g} mm³.</translation>
    </message>
    <message>
      <source>Writing the segments</source>
      <translation>Écriture des segments</translation>
    </message>
    <message>
      <source>cancelled</source>
      <translation>annulé</translation>
    </message>
    <message>
      <source>done</source>
      <translation>terminé</translation>
    </message>
    <message>
      <source>failed</source>
      <translation>échoué</translation>
    </message>
    <message>
      <source>running</source>
      <translation>en cours</translation>
    </message>
    <message>
      <source>stopping</source>
      <translation>arrêt</translation>
    </message>
    <message>
      <source>waiting</source>
      <translation>en attente</translation>
    </message>
    <message>
      <source>{count} s</source>
      <translation>{count} s</translation>
    </message>
    <message>
      <source>{minutes} min {seconds:02d} s</source>
      <translation>{minutes} min {seconds:02d} s</translation>
    </message>
    <message>
      <source>{name} (highest probability {probability:.2f})</source>
      <translation>{name} (probabilité maximale {probability:.2f})</translation>
    </message>
    <message>
      <source>{name} {volume:.1f} ml</source>
      <translation>{name} {volume:.1f} ml</translation>
    </message>
    <message>
      <source>{stage}: slice {done} of {total}</source>
      <translation>{stage} : coupe {done} sur {total}</translation>
    </message>
    <message>
      <source>{text} Not found: {names}.</source>
      <translation>{text} Non trouvé : {names}.</translation>
    </message>
    <message>
      <source>{text}, about {time} left</source>
      <translation>{text}, encore {time} environ</translation>
    </message>
  </context>
  <context>
    <name>MedSegLib.thresholdPreview</name>
    <message>
      <source>Threshold preview</source>
      <translation>Aperçu du seuil</translation>
    </message>
  </context>
</TS>
